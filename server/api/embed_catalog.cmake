# Writes ${OUTPUT}: the catalogue that ${WORKER} prints, as a function of server/api/.
execute_process(COMMAND ${WORKER} --print-catalog
  OUTPUT_VARIABLE catalog RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${WORKER} --print-catalog failed: ${result}")
endif()
file(WRITE ${OUTPUT} "// Generated from the registry of methods in core/methods.
#include \"server/api/embedded_catalog.h\"

namespace acclimate::api {

const char kEmbeddedCatalog[] = R\"CATALOG(${catalog})CATALOG\";

}  // namespace acclimate::api
")
