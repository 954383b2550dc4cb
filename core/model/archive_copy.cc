#include "core/model/archive_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/io/atomic_file.h"

namespace acclimate::model {
namespace {

// The zip format (APPNOTE.TXT): sizes of the fixed parts, and offsets within them.
constexpr uint64_t kLocalHeaderSize = 30, kLocalFlags = 6, kLocalCrc = 14;
constexpr uint64_t kEntryCrc = 16;
constexpr uint64_t kEndOfDirectorySize = 22;
constexpr uint16_t kCrcFollowsData = 1 << 3;
constexpr char kDescriptorSignature[] = "PK\x07\x08";
constexpr uint64_t kMax32 = 0xffffffff, kMax16 = 0xffff;

void Append(std::string* bytes, uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes->push_back(static_cast<char>(value >> (8 * i)));
}

std::string Bytes32(uint32_t value) {
  std::string bytes;
  Append(&bytes, value, 4);
  return bytes;
}

class ArchiveCopier {
 public:
  explicit ArchiveCopier(const TorchArchive& archive)
      : archive_(archive), bytes_(archive.file()->bytes()) {}

  absl::Status Replace(const std::string& name, absl::string_view replacement) {
    const TorchArchive::Record* record = archive_.Find(name);
    if (record == nullptr || record->bytes.size() != replacement.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("record ", name, " is missing or has not ", replacement.size(), " bytes"));
    }
    const uint64_t data = static_cast<uint64_t>(record->bytes.data() - bytes_.data());
    if (data + replacement.size() > archive_.directory().offset) {
      return absl::InvalidArgumentError(absl::StrCat("record ", name, " lies in the directory"));
    }
    const absl::string_view crc = crcs_.emplace_back(Bytes32(TorchArchive::Crc32(replacement)));
    patches_[data] = replacement;
    patches_[record->entry + kEntryCrc] = crc;
    uint16_t flags;
    std::memcpy(&flags, bytes_.data() + record->local_header + kLocalFlags, sizeof(flags));
    if ((flags & kCrcFollowsData) == 0) {
      patches_[record->local_header + kLocalCrc] = crc;
      return absl::OkStatus();
    }
    uint64_t descriptor = data + replacement.size();
    if (absl::StartsWith(bytes_.substr(descriptor), kDescriptorSignature)) descriptor += 4;
    if (descriptor + 4 <= archive_.directory().offset) patches_[descriptor] = crc;
    return absl::OkStatus();
  }

  // One with the same bytes stays where it is.
  void Set(const std::string& name, const std::string& text) {
    const TorchArchive::Record* old = archive_.Find(name);
    if (old != nullptr && old->bytes == text) return;
    dropped_ = old;
    path_ = archive_.top_folder() + name;
    text_ = text;
  }

  absl::Status WriteTo(const std::string& path) const {
    absl::StatusOr<io::AtomicFile> file = io::AtomicFile::Create(path);
    if (!file.ok()) return file.status();
    absl::Status status = Write(&*file);
    return status.ok() ? file->Commit() : status;
  }

 private:
  absl::Status Write(io::AtomicFile* file) const {
    if (path_.empty()) return WriteRange(file, 0, bytes_.size());
    const TorchArchive::Directory& directory = archive_.directory();
    // A record that nothing follows is cut off; the bytes of any other stay, unnamed.
    const uint64_t records_end =
        dropped_ != nullptr && IsLast(*dropped_) ? dropped_->local_header : directory.offset;
    absl::Status status = WriteRange(file, 0, records_end);
    const std::string record = LocalRecord();
    if (status.ok()) status = file->Write(record);
    const uint64_t new_directory = records_end + record.size();
    const uint64_t old_end = directory.offset + directory.size;
    const uint64_t gap = dropped_ != nullptr ? dropped_->entry : old_end;
    const uint64_t gap_size = dropped_ != nullptr ? dropped_->entry_size : 0;
    if (status.ok()) status = WriteRange(file, directory.offset, gap);
    if (status.ok()) status = WriteRange(file, gap + gap_size, old_end);
    const std::string entry = Entry(records_end);
    if (status.ok()) status = file->Write(entry);
    const uint64_t size = directory.size - gap_size + entry.size();
    const uint64_t entries = directory.entries + (dropped_ != nullptr ? 0 : 1);
    if (status.ok()) status = file->Write(End(new_directory, size, entries));
    const uint64_t comment = directory.end + kEndOfDirectorySize - 2;  // its size comes first
    return status.ok() ? WriteRange(file, comment, bytes_.size()) : status;
  }

  bool IsLast(const TorchArchive::Record& record) const {
    for (const std::string& name : archive_.Names()) {
      if (archive_.Find(name)->local_header > record.local_header) return false;
    }
    return true;
  }

  // The archive's bytes from `begin` to `end`, with the patches that lie there.
  absl::Status WriteRange(io::AtomicFile* file, uint64_t begin, uint64_t end) const {
    for (auto patch = patches_.lower_bound(begin); patch != patches_.end() && patch->first < end;
         ++patch) {
      if (patch->first < begin) return absl::InvalidArgumentError("the archive's records overlap");
      absl::Status status = file->Write(bytes_.substr(begin, patch->first - begin));
      if (status.ok()) status = file->Write(patch->second);
      if (!status.ok()) return status;
      begin = patch->first + patch->second.size();
    }
    return file->Write(bytes_.substr(begin, end - begin));
  }

  // From the version that is needed to the length of the extra field.
  std::string SharedFields() const {
    std::string fields;
    Append(&fields, 20, 2);            // version 2.0
    Append(&fields, 1 << 11, 2);       // names are UTF-8
    Append(&fields, 0, 2);             // stored
    Append(&fields, 0, 2);             // at midnight
    Append(&fields, (1 << 5) + 1, 2);  // of 1980-01-01: the same model gives the same bytes
    Append(&fields, TorchArchive::Crc32(text_), 4);
    Append(&fields, text_.size(), 4);
    Append(&fields, text_.size(), 4);
    Append(&fields, path_.size(), 2);
    Append(&fields, 0, 2);
    return fields;
  }

  std::string LocalRecord() const {
    return absl::StrCat("PK\x03\x04", SharedFields(), path_, text_);
  }

  // Of the record at `offset`; in the 64-bit form when it lies far back.
  std::string Entry(uint64_t offset) const {
    std::string fields = SharedFields(), extra;
    if (offset >= kMax32) {
      Append(&extra, 1, 2);
      Append(&extra, 8, 2);
      Append(&extra, offset, 8);
    }
    fields[fields.size() - 2] = static_cast<char>(extra.size());
    std::string entry = "PK\x01\x02";
    Append(&entry, 20, 2);  // made by version 2.0
    absl::StrAppend(&entry, fields);
    entry.append(2 + 2 + 2 + 4, '\0');  // comment, disk, attributes
    Append(&entry, std::min(offset, kMax32), 4);
    return absl::StrCat(entry, path_, extra);
  }

  // Everything behind the directory, without the length of the comment.
  std::string End(uint64_t directory, uint64_t size, uint64_t entries) const {
    std::string end;
    const bool needs64 = directory >= kMax32 || size >= kMax32 || entries >= kMax16;
    if (archive_.directory().zip64 || needs64) {
      end = "PK\x06\x06";
      Append(&end, 44, 8);  // bytes that follow
      Append(&end, 0x1e, 1);
      Append(&end, 3, 1);
      Append(&end, 45, 2);
      Append(&end, 0, 8);  // disks
      Append(&end, entries, 8);
      Append(&end, entries, 8);
      Append(&end, size, 8);
      Append(&end, directory, 8);
      absl::StrAppend(&end, "PK\x06\x07");
      Append(&end, 0, 4);
      Append(&end, directory + size, 8);
      Append(&end, 1, 4);
    }
    absl::StrAppend(&end, "PK\x05\x06");
    Append(&end, 0, 4);
    Append(&end, std::min(entries, kMax16), 2);
    Append(&end, std::min(entries, kMax16), 2);
    Append(&end, std::min(size, kMax32), 4);
    Append(&end, std::min(directory, kMax32), 4);
    return end;
  }

  const TorchArchive& archive_;
  const absl::string_view bytes_;
  std::map<uint64_t, absl::string_view> patches_;  // by offset
  std::deque<std::string> crcs_;                   // that patches_ points to
  const TorchArchive::Record* dropped_ = nullptr;
  std::string path_, text_;  // of the record to add; empty for none
};

}  // namespace

absl::Status CopyArchive(const TorchArchive& archive, const std::string& path,
                         const std::map<std::string, absl::string_view>& replaced,
                         const std::string& name, const std::string& text) {
  ArchiveCopier copier(archive);
  for (const auto& [record, bytes] : replaced) {
    if (absl::Status status = copier.Replace(record, bytes); !status.ok()) return status;
  }
  if (!text.empty()) copier.Set(name, text);
  return copier.WriteTo(path);
}

}  // namespace acclimate::model
