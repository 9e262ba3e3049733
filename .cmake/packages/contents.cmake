# SPDX-License-Identifier: MIT
#
# Run by cpack when everything is installed into a folder for each package: adds what only a package has (licence and
# changes, where its kind of package wants them), and compresses manual pages.

# The time that files made here get; all others, too, so that it does not matter when they were built.
set(epoch "$ENV{SOURCE_DATE_EPOCH}")

function(run)
	execute_process(COMMAND ${ARGN} RESULT_VARIABLE status ERROR_VARIABLE error)
	if(NOT status EQUAL 0)
		message(FATAL_ERROR "${ARGN}: ${status} ${error}")
	endif()
endfunction()

# compress(FILE): FILE.gz instead of it, without a name or a time inside.
function(compress file)
	run(gzip -9 -n -f "${file}")
	run(chmod 644 "${file}.gz")
endfunction()

function(add_debian name doc top)
	file(READ "${CPACK_SDWD_SOURCE}/LICENSE" licence)
	string(REGEX MATCH "Copyright \\(c\\) ([^\n]*)" line "${licence}")
	set(holder "${CMAKE_MATCH_1}")
	# What follows the line of the holder, in the form of a field of several lines.
	string(REGEX REPLACE "^.*Copyright \\(c\\)[^\n]*\n\n" "" text "${licence}")
	string(REGEX REPLACE "\n$" "" text "${text}")
	string(REPLACE "\n\n" "\n.\n" text "${text}")
	string(REPLACE "\n" "\n " text "${text}")
	file(WRITE "${doc}/copyright" "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
		"Upstream-Name: sdwd\n\nFiles: *\nCopyright: ${holder}\nLicense: MIT\n\nLicense: MIT\n ${text}\n")
	string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
	file(WRITE "${doc}/changelog.Debian"
		"sdwd (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
		"  * Packages made by CPack; what changed is in changelog.gz.\n\n"
		" -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
	compress("${doc}/changelog.Debian")
	run(cp "${CPACK_SDWD_SOURCE}/CHANGELOG.md" "${doc}/changelog")
	compress("${doc}/changelog")
	run(chmod 644 "${doc}/copyright")
	file(REMOVE "${doc}/CHANGELOG.md" "${doc}/LICENSE")
endfunction()

function(add_rpm name doc top)
	set(folder "${top}${CPACK_PACKAGING_INSTALL_PREFIX}/share/licenses/${name}")
	run(mkdir -p -m 755 "${folder}")
	run(cp "${CPACK_SDWD_SOURCE}/LICENSE" "${folder}/LICENSE")
	run(chmod 644 "${folder}/LICENSE")
	file(REMOVE "${doc}/LICENSE")
endfunction()

foreach(component ${CPACK_COMPONENTS_ALL})
	set(name "${CPACK_RPM_${component}_PACKAGE_NAME}")
	set(top "${CPACK_TEMPORARY_DIRECTORY}/${component}")
	set(doc "${top}${CPACK_PACKAGING_INSTALL_PREFIX}/share/doc/${name}")
	if(CPACK_GENERATOR STREQUAL "DEB")
		run(mkdir -p -m 755 "${doc}")
		add_debian("${name}" "${doc}" "${top}")
	elseif(CPACK_GENERATOR STREQUAL "RPM")
		add_rpm("${name}" "${doc}" "${top}")
	endif()
	if(CPACK_GENERATOR MATCHES "DEB|RPM")
		file(GLOB pages "${top}${CPACK_PACKAGING_INSTALL_PREFIX}/share/man/man*/*.[1-9]")
		foreach(page ${pages})
			compress("${page}")
		endforeach()
		run(find "${top}" -exec touch -h -d "@${epoch}" {} +)
	endif()
endforeach()

# sdwd loads libsystemd where it asks the manager; shlibdeps knows only of what is linked.
if(CPACK_GENERATOR STREQUAL "DEB")
	execute_process(COMMAND readelf -d "${CPACK_TEMPORARY_DIRECTORY}/sdwd${CPACK_PACKAGING_INSTALL_PREFIX}/bin/sdwd"
		OUTPUT_VARIABLE needed RESULT_VARIABLE status)
	if(NOT status EQUAL 0)
		message(FATAL_ERROR "readelf: ${status}")
	endif()
	if(NOT needed MATCHES "libsystemd\\.so\\.0")
		set(CPACK_DEBIAN_SDWD_PACKAGE_DEPENDS "libsystemd0 (>= 247)")
	endif()
endif()
