# Debian ships no libev.pc: finds ev.h and libev, and makes Libev::ev.
find_path(Libev_INCLUDE_DIR ev.h)
find_library(Libev_LIBRARY ev)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libev REQUIRED_VARS Libev_LIBRARY Libev_INCLUDE_DIR)
mark_as_advanced(Libev_INCLUDE_DIR Libev_LIBRARY)
if(Libev_FOUND AND NOT TARGET Libev::ev)
	add_library(Libev::ev UNKNOWN IMPORTED)
	set_target_properties(Libev::ev PROPERTIES
		IMPORTED_LOCATION "${Libev_LIBRARY}"
		INTERFACE_INCLUDE_DIRECTORIES "${Libev_INCLUDE_DIR}")
endif()
