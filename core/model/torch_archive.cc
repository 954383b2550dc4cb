#include "core/model/torch_archive.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace acclimate::model {
namespace {

// The zip format (APPNOTE.TXT): signatures, sizes of the fixed parts, and offsets within them.
constexpr char kLocalSignature[] = "PK\x03\x04";
constexpr char kEntrySignature[] = "PK\x01\x02";
constexpr char kEndSignature[] = "PK\x05\x06";
constexpr char kLocator64Signature[] = "PK\x06\x07";
constexpr char kEnd64Signature[] = "PK\x06\x06";
constexpr uint64_t kLocalSize = 30, kEntrySize = 46, kEndSize = 22, kLocator64Size = 20,
                   kEnd64Size = 56;
constexpr uint64_t kMaxCommentSize = 0xffff;
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr uint16_t kZip64Field = 1;
constexpr uint64_t kIn64 = 0xffffffff;  // a 32-bit field that says: see the 64-bit one

// `bytes` must reach far enough: callers check.
template <typename T>
T Load(absl::string_view bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

bool Inside(uint64_t offset, uint64_t size, uint64_t whole) {
  return offset <= whole && size <= whole - offset;
}

// Replaces the fields that a zip64 extra field holds in full.
bool ReadZip64Field(absl::string_view extra, const std::vector<uint64_t*>& fields) {
  while (extra.size() >= 4) {
    const uint16_t id = Load<uint16_t>(extra, 0);
    const uint16_t size = Load<uint16_t>(extra, 2);
    extra.remove_prefix(4);
    if (size > extra.size()) return false;
    if (id == kZip64Field) {
      absl::string_view values = extra.substr(0, size);
      for (uint64_t* field : fields) {
        if (*field != kIn64) continue;
        if (values.size() < 8) return false;
        *field = Load<uint64_t>(values, 0);
        values.remove_prefix(8);
      }
      return true;
    }
    extra.remove_prefix(size);
  }
  return std::none_of(fields.begin(), fields.end(), [](uint64_t* f) { return *f == kIn64; });
}

uint32_t Crc(uint32_t crc, absl::string_view bytes) {
  constexpr size_t kChunk = 1u << 30;  // zlib counts in 32 bits
  while (!bytes.empty()) {
    const absl::string_view chunk = bytes.substr(0, kChunk);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(chunk.data()), chunk.size());
    bytes.remove_prefix(chunk.size());
  }
  return crc;
}

// The size and CRC of a deflated stream, inflated piece by piece; false when it is broken.
bool InflatedCrc(absl::string_view deflated, uint64_t expected_size, uint32_t* crc) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  std::vector<char> buffer(1 << 16);
  uint64_t size = 0;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(deflated.data()));
  stream.avail_in = deflated.size();
  int code = Z_OK;
  while (code == Z_OK && size <= expected_size) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = buffer.size();
    code = inflate(&stream, Z_NO_FLUSH);
    const size_t produced = buffer.size() - stream.avail_out;
    *crc = Crc(*crc, {buffer.data(), produced});
    size += produced;
  }
  const bool complete = code == Z_STREAM_END && stream.avail_in == 0 && size == expected_size;
  inflateEnd(&stream);
  return complete;
}

}  // namespace

template <typename... Parts>
absl::Status TorchArchive::Damaged(const Parts&... what) const {
  return absl::InvalidArgumentError(absl::StrCat(file_->name(), ": ", what...));
}

bool TorchArchive::LooksLikeZip(const io::MappedFile& file) {
  return absl::StartsWith(file.bytes(), kLocalSignature);
}

absl::StatusOr<TorchArchive> TorchArchive::Open(std::shared_ptr<io::MappedFile> file) {
  TorchArchive archive(std::move(file));
  const absl::string_view bytes = archive.file_->bytes();
  if (bytes.size() < kEndSize) return archive.Damaged("truncated archive");
  const uint64_t tail = std::min<uint64_t>(bytes.size(), kEndSize + kMaxCommentSize);
  const size_t found = bytes.substr(bytes.size() - tail, tail - kEndSize + 4)
                           .rfind(absl::string_view(kEndSignature));
  if (found == absl::string_view::npos) {
    return archive.Damaged("truncated archive: its directory is missing");
  }
  const uint64_t end = bytes.size() - tail + found;
  uint64_t entries = Load<uint16_t>(bytes, end + 10);
  uint64_t size = Load<uint32_t>(bytes, end + 12);
  uint64_t offset = Load<uint32_t>(bytes, end + 16);
  bool zip64 = false;
  if (end >= kLocator64Size &&
      absl::StartsWith(bytes.substr(end - kLocator64Size), kLocator64Signature)) {
    const uint64_t end64 = Load<uint64_t>(bytes, end - kLocator64Size + 8);
    if (!Inside(end64, kEnd64Size, end) ||
        !absl::StartsWith(bytes.substr(end64), kEnd64Signature)) {
      return archive.Damaged("damaged archive: no 64-bit end of directory");
    }
    entries = Load<uint64_t>(bytes, end64 + 32);
    size = Load<uint64_t>(bytes, end64 + 40);
    offset = Load<uint64_t>(bytes, end64 + 48);
    zip64 = true;
  }
  if (!Inside(offset, size, end)) return archive.Damaged("the directory leaves the file");
  archive.directory_ = {offset, size, entries, end, zip64};
  absl::Status status = archive.ReadDirectory(offset, size, entries);
  if (!status.ok()) return status;
  for (const auto& [name, record] : archive.records_) {
    if (status = archive.CheckRecord(name, record); !status.ok()) return status;
  }
  return archive;
}

absl::Status TorchArchive::ReadDirectory(uint64_t offset, uint64_t size, uint64_t entries) {
  const absl::string_view directory = file_->bytes().substr(offset, size);
  uint64_t position = 0;
  for (uint64_t i = 0; i < entries; ++i) {
    if (absl::Status status = ReadEntry(directory, &position); !status.ok()) return status;
  }
  if (position != size) return Damaged("the directory holds more than its ", entries, " records");
  return absl::OkStatus();
}

absl::Status TorchArchive::ReadEntry(absl::string_view directory, uint64_t* position) {
  if (!Inside(*position, kEntrySize, directory.size()) ||
      !absl::StartsWith(directory.substr(*position), kEntrySignature)) {
    return Damaged("damaged directory at its byte ", *position);
  }
  const absl::string_view entry = directory.substr(*position);
  const uint64_t name_size = Load<uint16_t>(entry, 28);
  const uint64_t extra_size = Load<uint16_t>(entry, 30);
  const uint64_t comment_size = Load<uint16_t>(entry, 32);
  if (!Inside(kEntrySize, name_size + extra_size + comment_size, entry.size())) {
    return Damaged("damaged directory at its byte ", *position);
  }
  const uint64_t entry_offset = directory_.offset + *position;
  const uint64_t whole_size = kEntrySize + name_size + extra_size + comment_size;
  *position += whole_size;
  const std::string path(entry.substr(kEntrySize, name_size));
  uint64_t stored = Load<uint32_t>(entry, 20), size = Load<uint32_t>(entry, 24),
           local = Load<uint32_t>(entry, 42);
  if (!ReadZip64Field(entry.substr(kEntrySize + name_size, extra_size), {&size, &stored, &local})) {
    return Damaged("record ", path, ": damaged sizes");
  }
  const absl::string_view bytes = file_->bytes();
  if (!Inside(local, kLocalSize, bytes.size()) ||
      !absl::StartsWith(bytes.substr(local), kLocalSignature)) {
    return Damaged("record ", path, ": no local header at byte ", local);
  }
  const uint64_t data =
      local + kLocalSize + Load<uint16_t>(bytes, local + 26) + Load<uint16_t>(bytes, local + 28);
  if (!Inside(data, stored, bytes.size())) return Damaged("record ", path, " leaves the file");
  if (bytes.substr(local + kLocalSize, name_size) != path) {
    return Damaged("record ", path, ": its local header has another name");
  }
  const size_t slash = path.find('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (slash != std::string::npos) top_folder_ = path.substr(0, slash + 1);
  const Record record{Load<uint16_t>(entry, 10),
                      bytes.substr(data, stored),
                      size,
                      Load<uint32_t>(entry, 16),
                      local,
                      entry_offset,
                      whole_size};
  if (!records_.emplace(name, record).second) return Damaged("record ", path, " is there twice");
  return absl::OkStatus();
}

absl::Status TorchArchive::CheckRecord(const std::string& name, const Record& record) const {
  uint32_t crc = 0;
  if (record.method == kStored) {
    if (record.size != record.bytes.size()) return Damaged("record ", name, ": sizes differ");
    crc = Crc(crc, record.bytes);
  } else if (record.method == kDeflated) {
    if (!InflatedCrc(record.bytes, record.size, &crc)) {
      return Damaged("record ", name, " is damaged: it does not inflate to its size");
    }
  } else {
    return Damaged("record ", name, ": unknown compression ", record.method);
  }
  if (crc != record.crc) return Damaged("record ", name, " is damaged: its CRC-32 is wrong");
  return absl::OkStatus();
}

std::vector<std::string> TorchArchive::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, record] : records_) names.push_back(name);
  return names;
}

const TorchArchive::Record* TorchArchive::Find(absl::string_view name) const {
  const auto found = records_.find(std::string(name));
  return found == records_.end() ? nullptr : &found->second;
}

uint32_t TorchArchive::Crc32(absl::string_view bytes) { return Crc(0, bytes); }

absl::StatusOr<absl::string_view> TorchArchive::Read(absl::string_view name) const {
  const auto found = records_.find(std::string(name));
  if (found == records_.end()) return Damaged("record ", name, " is missing");
  if (found->second.method != kStored) return Damaged("record ", name, " is compressed");
  return found->second.bytes;
}

}  // namespace acclimate::model
