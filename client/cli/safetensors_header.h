// What a safetensors file says of its tensors, read without LibTorch.
#ifndef ACCLIMATE_CLIENT_CLI_SAFETENSORS_HEADER_H_
#define ACCLIMATE_CLIENT_CLI_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/local_file.h"

namespace acclimate::cli {

struct TensorPlace {
  std::string type;  // "F32"
  std::vector<int64_t> shape;
  int64_t offset_bytes = 0;  // in the file
  int64_t size_bytes = 0;    // as the header says; inside the file
};

// By name. DATA_LOSS: with the file and what is wrong.
absl::StatusOr<std::map<std::string, TensorPlace>> ReadSafetensorsHeader(
    const client::LocalFile& file);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_SAFETENSORS_HEADER_H_
