// CRC-32C (Castagnoli), as RFC 3720 defines it: the checksum of a chunk on the wire.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_CRC32C_H_
#define ACCLIMATE_SERVER_ARTIFACTS_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace acclimate::artifacts {

// By the processor's own instruction where it has one.
uint32_t Crc32c(absl::string_view data);
// By a table: for other processors, and to check the first against.
uint32_t Crc32cPortable(absl::string_view data);

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_CRC32C_H_
