# SPDX-License-Identifier: MIT
#
# Three packages, a component each: sdwd, sdwd-prober (which alone needs libcurl) and sdwdctl.  "cpack -G DEB" or
# "cpack -G RPM" in the folder of a release build whose prefix is /usr.  What can be told only when a package is made is
# in made.cmake, what is put into it besides what is installed in contents.cmake.

set(packager "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
if("$ENV{DEBEMAIL}" STREQUAL "" OR "$ENV{DEBFULLNAME}" STREQUAL "")
	set(packager "The sdwd authors <sdwd@localhost>")
endif()
set(SDWD_PACKAGER "${packager}" CACHE STRING "Who makes the packages: Name <address>")

set(here "${CMAKE_CURRENT_LIST_DIR}")
set(CPACK_SDWD_HERE "${here}")
set(CPACK_SDWD_SOURCE "${PROJECT_SOURCE_DIR}")
set(CPACK_PACKAGE_NAME sdwd)
set(CPACK_PACKAGE_VENDOR "The sdwd authors")
set(CPACK_PACKAGE_CONTACT "${SDWD_PACKAGER}")
set(CPACK_PACKAGING_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_PROJECT_CONFIG_FILE "${here}/made.cmake")
set(CPACK_PRE_BUILD_SCRIPTS "${here}/contents.cmake")
set(CPACK_POST_BUILD_SCRIPTS "${here}/finished.cmake")
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL sdwd sdwdctl)
if(SDWD_PROBER)
	list(APPEND CPACK_COMPONENTS_ALL prober)
endif()

# package(COMPONENT NAME SUMMARY LINE...): what people read of it.
function(package component name summary)
	string(TOUPPER ${component} key)
	string(REPLACE ";" "\n" text "${ARGN}")
	set(CPACK_DEBIAN_${key}_PACKAGE_NAME "${name}" PARENT_SCOPE)
	set(CPACK_DEBIAN_${key}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
	set(CPACK_RPM_${component}_PACKAGE_NAME "${name}" PARENT_SCOPE)
	set(CPACK_RPM_${component}_PACKAGE_SUMMARY "${summary}" PARENT_SCOPE)
	set(CPACK_RPM_${component}_PACKAGE_DESCRIPTION "${text}" PARENT_SCOPE)
endfunction()
package(sdwd sdwd "systemd watchdog around a program that knows nothing of it"
	"sdwd is the main process of a service unit and runs a program as its child. It"
	"looks at the program's health (heartbeats, sd_notify, a file that changes,"
	"HTTP, TCP and Unix sockets, check commands) and says READY=1 and WATCHDOG=1"
	"to systemd only as the consequence of fresh good evidence. When the program"
	"hangs, systemd ends and restarts it."
	""
	"Without systemd, as in a container, sdwd ends the unhealthy program itself.")
package(prober sdwd-prober "systemd watchdog around other programs - https, gRPC, D-Bus and names"
	"sdwd starts this second process without privileges for what may block: HTTP"
	"over TLS, the health service of gRPC, D-Bus, and host names that have to be"
	"resolved. Nothing of these can then hold up the process that feeds the"
	"watchdog.")
package(sdwdctl sdwdctl "systemd watchdog around other programs - command-line tool"
	"sdwdctl shows the state of all services that run under sdwd in one table,"
	"pauses and drills them, puts a service that is there already under sdwd and"
	"takes it out again, looks at a service once (for a container's health check or"
	"a monitoring system), and writes metrics for Prometheus. Completions for bash,"
	"zsh and fish are part of it.")

# Debian ----------------------------------------------------------------------------------------------------------------
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(same "${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")
set(CPACK_DEBIAN_SDWD_PACKAGE_RECOMMENDS "sdwd-prober (= ${same}), sdwdctl")
# What the two say to each other belongs to one version.
set(CPACK_DEBIAN_PROBER_PACKAGE_DEPENDS "sdwd (= ${same})")
set(CPACK_DEBIAN_SDWDCTL_PACKAGE_RECOMMENDS "sdwd")
set(CPACK_DEBIAN_SDWDCTL_PACKAGE_SUGGESTS "prometheus-node-exporter, sdwd-prober")
foreach(name sdwd sdwdctl)
	string(TOUPPER ${name} key)
	set(CPACK_DEBIAN_${key}_PACKAGE_CONTROL_EXTRA
		"${here}/deb/${name}/postinst;${here}/deb/${name}/prerm;${here}/deb/${name}/postrm")
endforeach()

# RPM -------------------------------------------------------------------------------------------------------------------
set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_RELEASE 1)
set(CPACK_RPM_PACKAGE_LICENSE MIT)
set(CPACK_RPM_PACKAGE_GROUP "System Environment/Base")
set(same "${PROJECT_VERSION}-${CPACK_RPM_PACKAGE_RELEASE}")
set(CPACK_RPM_prober_PACKAGE_REQUIRES "sdwd = ${same}")
foreach(name sdwd sdwdctl)
	set(CPACK_RPM_${name}_POST_INSTALL_SCRIPT_FILE "${here}/rpm/${name}.post")
	set(CPACK_RPM_${name}_PRE_UNINSTALL_SCRIPT_FILE "${here}/rpm/${name}.preun")
	set(CPACK_RPM_${name}_POST_UNINSTALL_SCRIPT_FILE "${here}/rpm/${name}.postun")
endforeach()
# Folders of others.
set(data "${CMAKE_INSTALL_FULL_DATADIR}")
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
	"${CMAKE_INSTALL_FULL_LIBEXECDIR}" /lib /lib/systemd /lib/systemd/system "${CMAKE_INSTALL_PREFIX}/lib/systemd"
	"${CMAKE_INSTALL_PREFIX}/lib/systemd/system" "${CMAKE_INSTALL_PREFIX}/lib/systemd/catalog"
	"${CMAKE_INSTALL_PREFIX}/lib/tmpfiles.d" "${CMAKE_INSTALL_FULL_MANDIR}" "${CMAKE_INSTALL_FULL_MANDIR}/man1"
	"${CMAKE_INSTALL_FULL_MANDIR}/man5" "${CMAKE_INSTALL_FULL_MANDIR}/man7" "${data}/licenses"
	"${data}/bash-completion" "${data}/bash-completion/completions" "${data}/zsh" "${data}/zsh/site-functions"
	"${data}/zsh/vendor-completions" "${data}/fish" "${data}/fish/vendor_completions.d")
foreach(component ${CPACK_COMPONENTS_ALL})
	set(name "${CPACK_RPM_${component}_PACKAGE_NAME}")
	set(CPACK_RPM_${component}_USER_FILELIST "%license ${data}/licenses/${name}/LICENSE")
endforeach()
# Nothing of the time and the machine of the build. What is only recommended CPack has no words for.
set(CPACK_RPM_SPEC_MORE_DEFINE "Packager: ${SDWD_PACKAGER}
%if \"%{name}\" == \"sdwd\"
Recommends: sdwd-prober = ${same}, sdwdctl
%endif
%if \"%{name}\" == \"sdwdctl\"
Recommends: sdwd
Suggests: sdwd-prober
%endif
%define _build_id_links none
%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1
%define _buildhost localhost")

include(CPack)
