// The text form of ListMethodsResponse, generated when the program is built.
#ifndef ACCLIMATE_SERVER_API_EMBEDDED_CATALOG_H_
#define ACCLIMATE_SERVER_API_EMBEDDED_CATALOG_H_

namespace acclimate::api {

extern const char kEmbeddedCatalog[];

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_EMBEDDED_CATALOG_H_
