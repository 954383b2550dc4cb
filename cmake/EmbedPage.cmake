# Writes ${OUTPUT}: ${PAGE} as the string kEmbeddedPage of ${FOLDER}/embedded_page.h, in the namespace
# ${NAMESPACE}, in literals short enough for every compiler. See acclimate_embed_page().
file(READ ${PAGE} page)
string(LENGTH "${page}" length)
set(literals "")
set(begin 0)
while(begin LESS length)
  string(SUBSTRING "${page}" ${begin} 8000 piece)
  string(APPEND literals "\n    R\"PAGE(${piece})PAGE\"")
  math(EXPR begin "${begin} + 8000")
endwhile()
file(WRITE ${OUTPUT} "// Generated from page.html in ${FOLDER}.
#include \"${FOLDER}/embedded_page.h\"

namespace ${NAMESPACE} {

const char kEmbeddedPage[] =${literals};

}  // namespace ${NAMESPACE}
")
