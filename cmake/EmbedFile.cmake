# Writes ${OUTPUT}: ${FILE} as the string ${SYMBOL} of ${FOLDER}/${HEADER}, in the namespace
# ${NAMESPACE}, in literals short enough for every compiler. See acclimate_embed_file().
file(READ ${FILE} text)
string(LENGTH "${text}" length)
set(literals "")
set(begin 0)
while(begin LESS length)
  string(SUBSTRING "${text}" ${begin} 8000 piece)
  string(APPEND literals "\n    R\"FILE(${piece})FILE\"")
  math(EXPR begin "${begin} + 8000")
endwhile()
get_filename_component(name ${FILE} NAME)
file(WRITE ${OUTPUT} "// Generated from ${name} in ${FOLDER}.
#include \"${FOLDER}/${HEADER}\"

namespace ${NAMESPACE} {

const char ${SYMBOL}[] =${literals};

}  // namespace ${NAMESPACE}
")
