# SPDX-License-Identifier: MIT
#
# Run by cpack when the packages are made.

# In a .deb cpack counts a folder as the file system of the build's machine does, and so tells another size on another
# machine. As Debian's policy has it: kibibytes of each file, and one for what is none. dpkg-deb packs it again.
foreach(package ${CPACK_PACKAGE_FILES})
	if(package MATCHES "\\.deb$")
		execute_process(COMMAND sh -ec [=[
				rm -rf "$2"
				dpkg-deb --raw-extract "$1" "$2"
				kib=$(find "$2" -mindepth 1 -path "$2/DEBIAN" -prune -o -type f -printf '%s\n' -o -printf '1\n' |
					awk '{kib += int(($1 + 1023) / 1024)} END {print kib}')
				sed -i "s/^Installed-Size: .*/Installed-Size: $kib/" "$2/DEBIAN/control"
				dpkg-deb --root-owner-group -Zxz --build "$2" "$1" >/dev/null
				rm -rf "$2"]=]
			sh "${package}" "${CPACK_TEMPORARY_DIRECTORY}.again" RESULT_VARIABLE status ERROR_VARIABLE error)
		if(NOT status EQUAL 0)
			message(FATAL_ERROR "${package}: ${status} ${error}")
		endif()
	endif()
endforeach()
