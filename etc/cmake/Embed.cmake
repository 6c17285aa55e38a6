# Makes a C file of text files: cmake -DOUT=FILE.c -DNAMES=a;b -DDIR=FOLDER -P Embed.cmake
# As arrays of bytes: a C compiler need not take long string literals.
set(text "/* Made from ${NAMES} by etc/cmake/Embed.cmake. */\n#include \"cli/manual_text.h\"\n")
set(rows "")
foreach(name IN LISTS NAMES)
  string(MAKE_C_IDENTIFIER "${name}" id)
  file(READ "${DIR}/${name}" bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND text "static const char text_${id}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${name}\", text_${id}},\n")
endforeach()
string(APPEND text "const struct manual_file manual_files[] = {\n${rows}    {0}};\n")
file(WRITE "${OUT}" "${text}")
