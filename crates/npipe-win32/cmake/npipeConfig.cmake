# The imported targets npipe::npipe (the shared library) and npipe::static, with the headers of Windows' names.
#
# Installed as PREFIX/LIBDIR/cmake/npipe or PREFIX/share/npipe/cmake; libraries and headers are looked for from there.
get_filename_component(_npipe_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
find_path(NPIPE_INCLUDE_DIR NAMES namedpipeapi.h
  HINTS "${_npipe_prefix}/include/npipe" "${_npipe_prefix}/../include/npipe" NO_DEFAULT_PATH)
find_library(NPIPE_LIBRARY NAMES libnpipe.so libnpipe.dylib
  HINTS "${CMAKE_CURRENT_LIST_DIR}/../.." "${_npipe_prefix}" PATH_SUFFIXES "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib . NO_DEFAULT_PATH)
find_library(NPIPE_STATIC_LIBRARY NAMES libnpipe.a
  HINTS "${CMAKE_CURRENT_LIST_DIR}/../.." "${_npipe_prefix}" PATH_SUFFIXES "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib . NO_DEFAULT_PATH)
mark_as_advanced(NPIPE_INCLUDE_DIR NPIPE_LIBRARY NPIPE_STATIC_LIBRARY)
include(CMakeFindDependencyMacro)
find_dependency(Threads)
if(NOT NPIPE_INCLUDE_DIR OR NOT (NPIPE_LIBRARY OR NPIPE_STATIC_LIBRARY))
  set(npipe_FOUND FALSE)
  set(npipe_NOT_FOUND_MESSAGE "no headers or no library below ${_npipe_prefix}; install the package anew")
  return()
endif()

if(NPIPE_LIBRARY AND NOT TARGET npipe::npipe)
  add_library(npipe::npipe SHARED IMPORTED)
  set_target_properties(npipe::npipe PROPERTIES
    IMPORTED_LOCATION "${NPIPE_LIBRARY}"
    IMPORTED_NO_SONAME TRUE
    INTERFACE_INCLUDE_DIRECTORIES "${NPIPE_INCLUDE_DIR}")
endif()
if(NPIPE_STATIC_LIBRARY AND NOT TARGET npipe::static)
  add_library(npipe::static STATIC IMPORTED)
  set_target_properties(npipe::static PROPERTIES
    IMPORTED_LOCATION "${NPIPE_STATIC_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${NPIPE_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m")
  if(NOT TARGET npipe::npipe)
    # Where only that was installed.
    add_library(npipe::npipe INTERFACE IMPORTED)
    set_target_properties(npipe::npipe PROPERTIES INTERFACE_LINK_LIBRARIES npipe::static)
  endif()
endif()
