# Writes ${OUTPUT}: ${PAGE} as the string of core/report/embedded_page.h, in literals short enough for
# every compiler.
file(READ ${PAGE} page)
string(LENGTH "${page}" length)
set(literals "")
set(begin 0)
while(begin LESS length)
  string(SUBSTRING "${page}" ${begin} 8000 piece)
  string(APPEND literals "\n    R\"PAGE(${piece})PAGE\"")
  math(EXPR begin "${begin} + 8000")
endwhile()
file(WRITE ${OUTPUT} "// Generated from core/report/page.html.
#include \"core/report/embedded_page.h\"

namespace acclimate::report {

const char kEmbeddedPage[] =${literals};

}  // namespace acclimate::report
")
