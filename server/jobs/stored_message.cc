#include "server/jobs/stored_message.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/match.h"
#include "google/protobuf/unknown_field_set.h"
#include "server/artifacts/crc32c.h"

namespace acclimate::jobs {
namespace {

// In front of the checksum: the tag of the field 2^29 - 1, of 32 fixed bits, which no message has.
// With it the whole is a message, too.
constexpr absl::string_view kTag("\xfd\xff\xff\xff\x0f", 5);
constexpr size_t kTrailerBytes = kTag.size() + sizeof(uint32_t);

std::string Trailer(absl::string_view bytes) {
  const uint32_t sum = artifacts::Crc32c(bytes);
  std::string trailer(kTag);
  for (int shift = 0; shift < 32; shift += 8) trailer.push_back(static_cast<char>(sum >> shift));
  return trailer;
}

}  // namespace

std::string ToStored(const google::protobuf::Message& message) {
  std::string bytes = message.SerializeAsString();
  return bytes += Trailer(bytes);
}

bool FromStored(absl::string_view stored, google::protobuf::Message& message) {
  const size_t size = stored.size() - std::min(stored.size(), kTrailerBytes);
  const bool has_sum = absl::StartsWith(stored.substr(size), kTag);
  if (has_sum && stored.substr(size) != Trailer(stored.substr(0, size))) return false;
  const absl::string_view bytes = has_sum ? stored.substr(0, size) : stored;
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
         // What is left of a tag that is damaged.
         (has_sum || message.GetReflection()->GetUnknownFields(message).empty());
}

absl::Status ParseStored(absl::string_view stored, google::protobuf::Message& message) {
  if (FromStored(stored, message)) return absl::OkStatus();
  return absl::DataLossError("the job store holds a message that is damaged");
}

}  // namespace acclimate::jobs
