# sdwd_room(NAME [USES room...] [LINKS target...] file...): one room of lib/ as a static library.
function(sdwd_room name)
	cmake_parse_arguments(ROOM "" "" "USES;LINKS" ${ARGN})
	# Without a keyword of its own the file list lands behind the last keyword's values: sort by the ending.
	set(files ${ROOM_UNPARSED_ARGUMENTS})
	set(uses "")
	set(links "")
	foreach(word ${ROOM_USES} ${ROOM_LINKS})
		if(word MATCHES "\\.[ch]$")
			list(APPEND files ${word})
		elseif(word IN_LIST ROOM_USES)
			list(APPEND uses sdwd_${word})
		else()
			list(APPEND links ${word})
		endif()
	endforeach()
	list(TRANSFORM files PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/${name}/")
	add_library(sdwd_${name} STATIC ${files})
	target_link_libraries(sdwd_${name} PUBLIC sdwd_flags ${uses} ${links})
endfunction()

# sdwd_folders(COMPONENT folder...): an install of that component makes those that are not there yet, and everybody may
# enter them. cmake's own are made as the umask says, which for root is often such that no service gets at its program.
function(sdwd_folders component)
	foreach(folder ${ARGN})
		if(NOT IS_ABSOLUTE "${folder}")
			set(folder "\${CMAKE_INSTALL_PREFIX}/${folder}")
		endif()
		install(CODE "execute_process(COMMAND sh -c [=[umask 022 && mkdir -p \"$1\"]=] sh \"\$ENV{DESTDIR}${folder}\")"
			COMPONENT ${component})
	endforeach()
endfunction()

# sdwd_unit(NAME room...): tests/unit/test_NAME.c with cmocka, linked to those rooms, run by ctest.
function(sdwd_unit name)
	add_executable(test_${name} test_${name}.c)
	list(TRANSFORM ARGN PREPEND sdwd_ OUTPUT_VARIABLE rooms)
	target_link_libraries(test_${name} PRIVATE ${rooms} sdwd_flags PkgConfig::cmocka)
	add_test(NAME unit/${name} COMMAND test_${name})
	set_tests_properties(unit/${name} PROPERTIES TIMEOUT 300)
endfunction()

# sdwd_fuzz(NAME room...): tests/fuzz/fuzz_NAME.c as a libFuzzer target where the compiler has one, and always as a
# replay of its corpus.
function(sdwd_fuzz name)
	list(TRANSFORM ARGN PREPEND sdwd_ OUTPUT_VARIABLE rooms)
	add_executable(replay_${name} fuzz_${name}.c replay.c)
	target_link_libraries(replay_${name} PRIVATE ${rooms} sdwd_flags)
	add_test(NAME fuzz/${name} COMMAND replay_${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
	set(programs replay_${name})
	if(SDWD_FUZZ)
		add_executable(fuzz_${name} fuzz_${name}.c)
		target_link_libraries(fuzz_${name} PRIVATE ${rooms} sdwd_flags -fsanitize=fuzzer)
		add_dependencies(fuzz_targets fuzz_${name})
		list(APPEND programs fuzz_${name})
	endif()
	set(fuzz_${name}_programs ${programs} PARENT_SCOPE)
endfunction()

# sdwd_fuzz_wrap(NAME function...): replaces functions in that target by its own __wrap_function.
function(sdwd_fuzz_wrap name)
	foreach(program ${fuzz_${name}_programs})
		foreach(function ${ARGN})
			target_link_options(${program} PRIVATE -Wl,--wrap=${function})
		endforeach()
	endforeach()
endfunction()

# sdwd_fuzz_ctl(NAME file...): adds files of sdwdctl to that target, and what they need.
function(sdwd_fuzz_ctl name)
	list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/cmd/sdwdctl/" OUTPUT_VARIABLE files)
	foreach(program ${fuzz_${name}_programs})
		target_sources(${program} PRIVATE ${files})
		target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}/cmd/sdwdctl")
		target_compile_definitions(${program} PRIVATE SDWD_BINDIR="${CMAKE_INSTALL_FULL_BINDIR}"
			SDWD_LIBEXECDIR="${CMAKE_INSTALL_FULL_LIBEXECDIR}/sdwd")
		target_link_libraries(${program} PRIVATE PkgConfig::json PkgConfig::systemd)
	endforeach()
endfunction()
