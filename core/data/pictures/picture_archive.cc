#include "core/data/pictures/picture_archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/data/bad_data.h"
#include "core/data/pictures/picture_decoder.h"
#include "core/data/utf8.h"

namespace acclimate::data {
namespace {

constexpr absl::string_view kZipMagic("PK\3\4", 4),
    kGzipMagic = "\x1F\x8B", kZstdMagic("\x28\xB5\x2F\xFD", 4), kTarMagic = "ustar";
constexpr size_t kTarMagicAt = 257;
constexpr size_t kMostPictureBytes = size_t{256} << 20;

// ".DS_Store", "__MACOSX/...": made by systems, not by people.
bool IsHidden(absl::string_view path) {
  for (absl::string_view part : absl::StrSplit(path, '/')) {
    if (part == "__MACOSX" || (absl::StartsWith(part, ".") && part != ".")) return true;
  }
  return false;
}

}  // namespace

void PictureArchive::Closer::operator()(archive* reader) const { archive_read_free(reader); }

bool PictureArchive::Is(const std::shared_ptr<io::MappedFile>& file) {
  const absl::string_view bytes = file->bytes();
  if (absl::StartsWith(bytes, kGzipMagic) || absl::StartsWith(bytes, kZstdMagic)) return true;
  if (bytes.size() > kTarMagicAt && absl::StartsWith(bytes.substr(kTarMagicAt), kTarMagic)) {
    return true;
  }
  if (!absl::StartsWith(bytes, kZipMagic)) return false;
  absl::StatusOr<PictureArchive> archive = Open(file);
  if (!archive.ok()) return false;
  std::string path;
  while (true) {
    const absl::StatusOr<bool> more = archive->NextPath(path);
    if (!more.ok() || !*more) return false;
    if (HasPictureName(path)) return true;
  }
}

absl::StatusOr<PictureArchive> PictureArchive::Open(std::shared_ptr<io::MappedFile> file) {
  PictureArchive opened(std::move(file));
  archive* const reader = archive_read_new();
  if (reader == nullptr) return absl::ResourceExhaustedError("out of memory");
  opened.reader_.reset(reader);
  // No filter that would run another program.
  archive_read_support_filter_gzip(reader);
  archive_read_support_filter_zstd(reader);
  archive_read_support_format_tar(reader);
  archive_read_support_format_zip_seekable(reader);
  if (archive_read_open_memory(reader, opened.file_->data(), opened.file_->size()) != ARCHIVE_OK) {
    return opened.Damaged();
  }
  return opened;
}

absl::Status PictureArchive::Damaged() const {
  const char* const reason = archive_error_string(reader_.get());
  const std::string why = reason == nullptr ? "no reason is given" : reason;
  if (entries_ == 0) {
    return BadData(file_->name(),
                   "cannot be read as a .tar, .tar.gz, .tar.zst or .zip of pictures: ", why);
  }
  return BadData(file_->name(), "the archive is damaged behind its entry ", entries_, ": ", why);
}

absl::StatusOr<bool> PictureArchive::NextPath(std::string& path) {
  archive_entry* entry = nullptr;
  while (!ended_) {
    const int result = archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) {
      ended_ = true;
      break;
    }
    // A warning: a name that this process's locale cannot write, which is read as it is.
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Damaged();
    ++entries_;
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    const char* name = archive_entry_pathname_utf8(entry);
    if (name == nullptr) name = archive_entry_pathname(entry);
    if (name == nullptr || !IsUtf8(name)) {
      return BadData(file_->name(), "the name of entry ", entries_, " is not UTF-8");
    }
    absl::string_view plain = name;
    while (absl::ConsumePrefix(&plain, "./") || absl::ConsumePrefix(&plain, "/")) {
    }
    path = std::string(plain);
    return true;
  }
  return false;
}

absl::Status PictureArchive::ReadData(const std::string& path, std::string& bytes) {
  const void* block = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  while (true) {
    const int result = archive_read_data_block(reader_.get(), &block, &size, &offset);
    if (result == ARCHIVE_EOF) return absl::OkStatus();
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Damaged();
    if (static_cast<size_t>(offset) + size > kMostPictureBytes) {
      return BadData(file_->name(), path, ": larger than ", kMostPictureBytes >> 20, " MiB");
    }
    bytes.resize(static_cast<size_t>(offset));  // of a sparse file, zeros
    bytes.append(static_cast<const char*>(block), size);
  }
}

absl::StatusOr<std::vector<PictureFile>> PictureArchive::Next(int64_t count, int64_t bytes) {
  std::vector<PictureFile> files;
  int64_t read = 0;
  std::string path;
  while (static_cast<int64_t>(files.size()) < count && read < bytes) {
    const absl::StatusOr<bool> more = NextPath(path);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (IsHidden(path)) continue;
    if (!HasPictureName(path)) {
      if (passed_over_++ == 0) first_passed_over_ = path;
      continue;
    }
    PictureFile file{path, ""};
    if (absl::Status status = ReadData(path, file.bytes); !status.ok()) return status;
    read += static_cast<int64_t>(file.bytes.size());
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace acclimate::data
