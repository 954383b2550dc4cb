// A copy of an archive with some of its bytes replaced.
#ifndef ACCLIMATE_CORE_MODEL_ARCHIVE_COPY_H_
#define ACCLIMATE_CORE_MODEL_ARCHIVE_COPY_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "core/model/torch_archive.h"

namespace acclimate::model {

// Writes `archive` to `path`, atomically and byte for byte, but for
// - `replaced`: new bytes of stored records, of the size that they have, with their CRC-32;
// - the record `name`, which is added, or takes the place of one of that name, when `text` is not
//   empty.
// INVALID_ARGUMENT when a record to be replaced is missing or has another size.
absl::Status CopyArchive(const TorchArchive& archive, const std::string& path,
                         const std::map<std::string, absl::string_view>& replaced,
                         const std::string& name, const std::string& text);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_ARCHIVE_COPY_H_
