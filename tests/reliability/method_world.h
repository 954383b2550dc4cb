// Small data and models for a job of any method of the catalogue.
#ifndef ACCLIMATE_TESTS_RELIABILITY_METHOD_WORLD_H_
#define ACCLIMATE_TESTS_RELIABILITY_METHOD_WORLD_H_

#include <string>
#include <vector>

#include "acclimate/v1/catalog_service.pb.h"
#include "tests/e2e/api_client.h"

namespace acclimate::reliability {

class MethodWorld {
 public:
  // Uploads data, and trains a model of images and one of vectors.
  explicit MethodWorld(e2e::ApiClient& api);

  // Those of the catalogue that train, by name.
  const std::vector<v1::Method>& methods() const { return methods_; }
  // A job of some seconds with all that the method takes. Its target is a blob of its own for each
  // `seed`, so that the worker that reads it can be told from others.
  v1::JobSpec SpecFor(const v1::Method& method, uint64_t seed);

 private:
  struct Domains {
    std::string source, second_source, target, evaluation, model;  // blobs
  };
  // A model trained on the source.
  std::string Train(const std::string& architecture, const std::string& source);

  e2e::ApiClient& api_;
  std::vector<v1::Method> methods_;
  Domains images_, vectors_;
};

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_METHOD_WORLD_H_
