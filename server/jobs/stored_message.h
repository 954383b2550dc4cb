// A message as a row of the job store has it: its bytes, then their checksum. A bit that flips on
// the disk changes neither a page's structure, which SQLite looks at, nor what Protobuf can read.
#ifndef ACCLIMATE_SERVER_JOBS_STORED_MESSAGE_H_
#define ACCLIMATE_SERVER_JOBS_STORED_MESSAGE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace acclimate::jobs {

std::string ToStored(const google::protobuf::Message& message);
// False: the bytes are not those that were written. A row of before there were checksums has none,
// and is read as it is.
bool FromStored(absl::string_view stored, google::protobuf::Message& message);
// The same with a status: DATA_LOSS.
absl::Status ParseStored(absl::string_view stored, google::protobuf::Message& message);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_STORED_MESSAGE_H_
