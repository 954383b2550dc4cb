#include <utility>

#include "google/protobuf/text_format.h"
#include "server/api/embedded_catalog.h"
#include "server/api/method_catalog.h"

namespace acclimate::api {

absl::StatusOr<MethodCatalog> MethodCatalog::BuiltIn() {
  v1::ListMethodsResponse response;
  if (!google::protobuf::TextFormat::ParseFromString(kEmbeddedCatalog, &response)) {
    return absl::DataLossError("the built-in catalogue of methods cannot be read");
  }
  return MethodCatalog(std::move(response));
}

}  // namespace acclimate::api
