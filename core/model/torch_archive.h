// The zip archives that PyTorch writes: TorchScript (.pt), state dicts (.pth) and programs of
// torch.export (.pt2).
#ifndef ACCLIMATE_CORE_MODEL_TORCH_ARCHIVE_H_
#define ACCLIMATE_CORE_MODEL_TORCH_ARCHIVE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/io/mapped_file.h"

namespace acclimate::model {

// A directory of records, every one of them checked against its CRC-32 when the archive is opened:
// LibTorch's own reader does not look at it.
class TorchArchive {
 public:
  // True when the bytes start as a zip archive does.
  static bool LooksLikeZip(const io::MappedFile& file);

  // INVALID_ARGUMENT: truncated, records that leave the file, overlap or are named twice, unknown
  // compression, a record whose bytes do not match its CRC-32 (named).
  static absl::StatusOr<TorchArchive> Open(std::shared_ptr<io::MappedFile> file);

  // Names are without the archive's top folder: "data.pkl", "data/0", "constants.pkl", "code/...".
  bool Has(absl::string_view name) const { return records_.count(std::string(name)) > 0; }
  // The bytes of a stored record, within the mapping. INVALID_ARGUMENT: missing or compressed.
  absl::StatusOr<absl::string_view> Read(absl::string_view name) const;
  const std::shared_ptr<io::MappedFile>& file() const { return file_; }

  // For a copy of the archive (archive_copy.h). Offsets are bytes of the file.
  struct Record {
    uint16_t method;
    absl::string_view bytes;  // as they lie in the file
    uint64_t size;            // once inflated
    uint32_t crc;
    uint64_t local_header;
    uint64_t entry, entry_size;  // in the directory
  };
  struct Directory {
    uint64_t offset, size, entries;
    uint64_t end;  // of the 22 bytes behind the directory; a comment follows
    bool zip64;    // has the 64-bit end of directory too
  };
  std::vector<std::string> Names() const;            // of all records
  const Record* Find(absl::string_view name) const;  // null when missing
  const Directory& directory() const { return directory_; }
  // The top folder of all names, with its slash; empty when there is none.
  const std::string& top_folder() const { return top_folder_; }
  static uint32_t Crc32(absl::string_view bytes);

 private:
  explicit TorchArchive(std::shared_ptr<io::MappedFile> file) : file_(std::move(file)) {}
  absl::Status ReadDirectory(uint64_t offset, uint64_t size, uint64_t entries);
  absl::Status ReadEntry(absl::string_view directory, uint64_t* position);
  absl::Status CheckRecord(const std::string& name, const Record& record) const;
  template <typename... Parts>
  absl::Status Damaged(const Parts&... what) const;

  std::shared_ptr<io::MappedFile> file_;
  std::map<std::string, Record> records_;
  Directory directory_{};
  std::string top_folder_;
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_TORCH_ARCHIVE_H_
