# SPDX-License-Identifier: MIT
#
# Read by cpack before it makes packages by one generator.

# The programs, the units and the manual pages name paths that the build was configured with.
if(CPACK_GENERATOR MATCHES "DEB|RPM" AND NOT CPACK_PACKAGING_INSTALL_PREFIX STREQUAL "/usr")
	message(FATAL_ERROR "a package belongs into /usr: cmake -DCMAKE_INSTALL_PREFIX=/usr, and build again")
endif()

# Said before cpack fails in its own words.
if(CPACK_GENERATOR STREQUAL "DEB")
	find_program(dpkg_shlibdeps dpkg-shlibdeps PATHS ENV PATH NO_DEFAULT_PATH)
	find_program(file_program file PATHS ENV PATH NO_DEFAULT_PATH)
	if(NOT dpkg_shlibdeps OR NOT file_program)
		message(FATAL_ERROR "a Debian package is made by dpkg-dev and file: apt-get install dpkg-dev file")
	endif()
elseif(CPACK_GENERATOR STREQUAL "RPM")
	find_program(rpmbuild rpmbuild PATHS ENV PATH NO_DEFAULT_PATH)
	if(NOT rpmbuild)
		message(FATAL_ERROR "an RPM package is made by rpmbuild, which is missing")
	endif()
endif()

# Two builds of the same sources are the same package: every time in it is that of the sources, the last commit's.
if("$ENV{SOURCE_DATE_EPOCH}" STREQUAL "")
	set(epoch "")
	if(EXISTS "${CPACK_SDWD_SOURCE}/.git")
		execute_process(COMMAND git -C "${CPACK_SDWD_SOURCE}" log -1 --format=%ct
			OUTPUT_VARIABLE epoch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
	endif()
	if(NOT epoch MATCHES "^[0-9]+$")
		file(TIMESTAMP "${CPACK_SDWD_SOURCE}/CHANGELOG.md" epoch "%s" UTC)
	endif()
	set(ENV{SOURCE_DATE_EPOCH} "${epoch}")
endif()

# Modes in a package are those of files that cpack makes.
execute_process(COMMAND sh -c umask OUTPUT_VARIABLE umask OUTPUT_STRIP_TRAILING_WHITESPACE)
if(CPACK_GENERATOR MATCHES "DEB|RPM" AND NOT umask MATCHES "^0*22$")
	message(FATAL_ERROR "packages are made under umask 022, and here it is ${umask}")
endif()

# CPack puts the summary of the project before each description, which has its own.
if(CPACK_GENERATOR STREQUAL "DEB")
	set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
endif()

if(CPACK_GENERATOR STREQUAL "RPM")
	set(version "${CPACK_PACKAGE_VERSION}-${CPACK_RPM_PACKAGE_RELEASE}")
	string(TIMESTAMP date "%a %b %d %Y" UTC)
	set(CPACK_RPM_CHANGELOG_FILE "${CPACK_PACKAGE_DIRECTORY}/_CPack_Packages/changelog.rpm")
	file(WRITE "${CPACK_RPM_CHANGELOG_FILE}"
		"* ${date} ${CPACK_PACKAGE_CONTACT} - ${version}\n- What changed is in CHANGELOG.md.\n")
	# Libraries of the Linux that it is made on; this one is not linked, but loaded where it is needed.
	set(CPACK_RPM_sdwd_PACKAGE_REQUIRES "libsystemd.so.0")
	if(CPACK_SDWD_POINTER EQUAL 8)
		string(APPEND CPACK_RPM_sdwd_PACKAGE_REQUIRES "()(64bit)")
	endif()
endif()
