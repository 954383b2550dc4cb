// The standard reflection service, grpc.reflection.v1. gRPC's own plugin answers v1alpha only,
// which newer tools do not ask.
#ifndef ACCLIMATE_SERVER_API_REFLECTION_SERVICE_H_
#define ACCLIMATE_SERVER_API_REFLECTION_SERVICE_H_

#include <set>
#include <string>

#include "grpc/reflection/v1/reflection.grpc.pb.h"

namespace acclimate::api {

// A stream holds no thread. Thread-safe.
class ReflectionService final : public grpc::reflection::v1::ServerReflection::CallbackService {
 public:
  // `services`: full names of what the server has; this one is among them by itself.
  explicit ReflectionService(std::set<std::string> services);

  grpc::ServerBidiReactor<grpc::reflection::v1::ServerReflectionRequest,
                          grpc::reflection::v1::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  class Stream;

  std::set<std::string> services_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_REFLECTION_SERVICE_H_
