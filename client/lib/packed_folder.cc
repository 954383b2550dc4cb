#include "client/lib/packed_folder.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/lib/local_file.h"

namespace acclimate::client {
namespace {

constexpr int64_t kBlockBytes = 512;  // of a .tar
constexpr int64_t kEndBytes = 2 * kBlockBytes;
constexpr int kMostFolders = 32;

bool IsPictureName(const std::string& name) {
  for (absl::string_view ending : {".jpg", ".jpeg", ".png", ".webp", ".bmp"}) {
    if (absl::EndsWithIgnoreCase(name, ending)) return true;
  }
  return false;
}

int64_t WholeBlocks(int64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

la_ssize_t AppendBytes(archive*, void* to, const void* bytes, size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

struct ArchiveFreer {
  void operator()(archive* writer) const { archive_write_free(writer); }
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

// As libarchive writes it, in front of the file's bytes: what it writes at the end is not taken.
absl::StatusOr<std::string> TarHeader(const std::string& path, int64_t file_bytes) {
  std::string bytes;
  const std::unique_ptr<archive, ArchiveFreer> writer(archive_write_new());
  const std::unique_ptr<archive_entry, ArchiveFreer> entry(archive_entry_new());
  if (writer == nullptr || entry == nullptr) return absl::ResourceExhaustedError("out of memory");
  archive_write_set_format_pax_restricted(writer.get());
  archive_write_set_bytes_per_block(writer.get(), 0);  // without a buffer
  archive_write_open(writer.get(), &bytes, nullptr, AppendBytes, nullptr);
  archive_entry_set_pathname(entry.get(), path.c_str());
  archive_entry_set_size(entry.get(), file_bytes);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 0, 0);
  if (archive_write_header(writer.get(), entry.get()) < ARCHIVE_WARN) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be packed: ", archive_error_string(writer.get())));
  }
  std::string header = bytes;
  archive_write_fail(writer.get());
  return header;
}

}  // namespace

absl::StatusOr<PackedFolder> PackedFolder::Open(const std::string& path) {
  PackedFolder folder(path);
  absl::Status status = folder.List("", 0);
  if (status.ok()) status = folder.LayOut();
  if (!status.ok()) return status;
  return folder;
}

absl::Status PackedFolder::List(const std::string& folder, int depth) {
  if (depth > kMostFolders) {
    return absl::InvalidArgumentError(absl::StrCat(path_, "/", folder, ": more than ", kMostFolders,
                                                   " folders deep; does a link lead back?"));
  }
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator(absl::StrCat(path_, "/", folder), error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (absl::StartsWith(name, ".") || name == "__MACOSX") continue;
    const std::string path = folder.empty() ? name : absl::StrCat(folder, "/", name);
    std::error_code ignored;
    if (it->is_directory(ignored)) {
      if (absl::Status status = List(path, depth + 1); !status.ok()) return status;
    } else if (it->is_regular_file(ignored) && IsPictureName(name)) {
      entries_.push_back({path, 0, 0, static_cast<int64_t>(it->file_size(ignored))});
    } else {
      ++left_out_;
    }
  }
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("cannot list ", path_, "/", folder, ": ", error.message()));
}

absl::Status PackedFolder::LayOut() {
  if (entries_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path_, ": a folder without pictures: no file in it is named as JPEG, PNG, WebP or BMP"));
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.path < b.path; });
  for (Entry& entry : entries_) {
    const absl::StatusOr<std::string> header = TarHeader(entry.path, entry.file_bytes);
    if (!header.ok()) return header.status();
    entry.offset = size_bytes_;
    entry.header_bytes = static_cast<int64_t>(header->size());
    size_bytes_ += entry.header_bytes + WholeBlocks(entry.file_bytes);
  }
  size_bytes_ += kEndBytes;
  return absl::OkStatus();
}

absl::Status PackedFolder::ReadAt(int64_t offset, int64_t size_bytes, std::string* buffer) const {
  buffer->clear();
  const int64_t end = std::min(offset + size_bytes, size_bytes_);
  auto entry = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                [](int64_t at, const Entry& other) { return at < other.offset; });
  if (entry != entries_.begin()) --entry;
  for (; entry != entries_.end() && offset < end; ++entry) {
    const int64_t entry_end = entry->offset + entry->header_bytes + WholeBlocks(entry->file_bytes);
    if (offset >= entry_end) continue;
    const int64_t part = std::min(end, entry_end) - offset;
    absl::Status status = Append(*entry, offset - entry->offset, part, buffer);
    if (!status.ok()) return status;
    offset += part;
  }
  if (offset < end) buffer->append(end - offset, '\0');  // the blocks that end a .tar
  return absl::OkStatus();
}

absl::Status PackedFolder::Append(const Entry& entry, int64_t offset, int64_t size_bytes,
                                  std::string* buffer) const {
  const size_t begin = buffer->size();
  if (offset < entry.header_bytes) {
    const absl::StatusOr<std::string> header = TarHeader(entry.path, entry.file_bytes);
    if (!header.ok()) return header.status();
    buffer->append(*header, offset, size_bytes);
    offset = entry.header_bytes;
  }
  int64_t left = size_bytes - static_cast<int64_t>(buffer->size() - begin);
  const int64_t at = offset - entry.header_bytes;
  const int64_t of_file = std::min(left, std::max<int64_t>(0, entry.file_bytes - at));
  if (of_file > 0) {
    const std::string path = absl::StrCat(path_, "/", entry.path);
    const absl::StatusOr<LocalFile> file = LocalFile::OpenForReading(path);
    if (!file.ok()) return file.status();
    std::string bytes;
    if (absl::Status status = file->ReadAt(at, of_file, &bytes); !status.ok()) return status;
    if (static_cast<int64_t>(bytes.size()) < of_file) {
      return absl::DataLossError(
          absl::StrCat(path, ": the file became shorter while its folder was read"));
    }
    buffer->append(bytes);
    left -= of_file;
  }
  buffer->append(left, '\0');
  return absl::OkStatus();
}

}  // namespace acclimate::client
