#include "core/data/npz.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/data/bad_data.h"
#include "core/data/label_forms.h"
#include "core/data/npy.h"

namespace acclimate::data {
namespace {

// Sizes, offsets and values of PKWARE's APPNOTE.TXT 6.3.
constexpr absl::string_view kLocalMagic("PK\3\4", 4), kCentralMagic("PK\1\2", 4),
    kEndMagic("PK\5\6", 4);
constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22;
constexpr size_t kMaxCommentBytes = 0xFFFF;
constexpr uint32_t kZip64 = 0xFFFFFFFF;
constexpr uint16_t kStored = 0, kDeflated = 8, kEncryptedFlag = 1;
// Deflate makes at most 1032 bytes of one (zlib's technical notes).
constexpr uint64_t kMaxDeflateRatio = 1032;

struct Member {
  std::string name;
  uint16_t flags, method;
  uint32_t crc32, compressed_bytes, bytes, local_offset;
};

template <typename Integer>
Integer ReadAt(absl::string_view bytes, size_t offset) {
  Integer value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));  // little-endian, as this machine
  return value;
}

absl::StatusOr<size_t> FindEndRecord(const io::MappedFile& file) {
  absl::string_view bytes = file.bytes();
  size_t tail = bytes.size() - std::min(bytes.size(), kEndBytes + kMaxCommentBytes);
  size_t at = bytes.rfind(kEndMagic);
  if (at == absl::string_view::npos || at < tail || bytes.size() - at < kEndBytes) {
    return BadData(file.name(), "the zip archive is truncated: no end record in its ", bytes.size(),
                   " bytes");
  }
  return at;
}

absl::StatusOr<Member> ReadMember(const io::MappedFile& file, size_t offset) {
  absl::string_view entry = file.bytes().substr(offset);
  if (entry.size() < kCentralBytes || !absl::StartsWith(entry, kCentralMagic)) {
    return BadData(file.name(), "the zip archive has no directory entry at byte ", offset);
  }
  size_t name_bytes = ReadAt<uint16_t>(entry, 28);
  if (name_bytes > entry.size() - kCentralBytes) {
    return BadData(file.name(), "the zip directory entry at byte ", offset, " is truncated");
  }
  return Member{std::string(entry.substr(kCentralBytes, name_bytes)),
                ReadAt<uint16_t>(entry, 8),
                ReadAt<uint16_t>(entry, 10),
                ReadAt<uint32_t>(entry, 16),
                ReadAt<uint32_t>(entry, 20),
                ReadAt<uint32_t>(entry, 24),
                ReadAt<uint32_t>(entry, 42)};
}

absl::StatusOr<std::vector<Member>> ReadDirectory(const io::MappedFile& file) {
  absl::StatusOr<size_t> end = FindEndRecord(file);
  if (!end.ok()) return end.status();
  absl::string_view bytes = file.bytes();
  size_t count = ReadAt<uint16_t>(bytes, *end + 10);
  uint64_t offset = ReadAt<uint32_t>(bytes, *end + 16);
  if (offset == kZip64)
    return BadData(file.name(), "zip64 archives are not supported; use safetensors");
  std::vector<Member> members;
  for (size_t i = 0; i < count; ++i) {
    if (offset > *end)
      return BadData(file.name(), "the zip directory leaves the archive at byte ", offset);
    absl::StatusOr<Member> member = ReadMember(file, offset);
    if (!member.ok()) return member.status();
    offset += kCentralBytes + ReadAt<uint16_t>(bytes, offset + 28) +
              ReadAt<uint16_t>(bytes, offset + 30) + ReadAt<uint16_t>(bytes, offset + 32);
    members.push_back(*std::move(member));
  }
  return members;
}

// Where the member's bytes begin, all of them inside the archive.
absl::StatusOr<size_t> DataOffset(const io::MappedFile& file, const Member& member) {
  absl::string_view bytes = file.bytes();
  uint64_t offset = member.local_offset;
  if (offset + kLocalBytes > bytes.size() || !absl::StartsWith(bytes.substr(offset), kLocalMagic)) {
    return BadData(file.name(), member.name, ": no zip member at byte ", offset);
  }
  uint64_t data = offset + kLocalBytes + ReadAt<uint16_t>(bytes, offset + 26) +
                  ReadAt<uint16_t>(bytes, offset + 28);
  if (data + member.compressed_bytes > bytes.size()) {
    return BadData(file.name(), member.name, ": claims ", member.compressed_bytes,
                   " bytes at byte ", data, " of ", bytes.size());
  }
  return data;
}

// Raw deflate of exactly member.bytes, or nothing.
bool Inflate(uint8_t* input, const Member& member, std::vector<uint8_t>* output) {
  output->resize(std::max<size_t>(1, member.bytes));
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  stream.next_in = input;
  stream.avail_in = member.compressed_bytes;
  stream.next_out = output->data();
  stream.avail_out = member.bytes;
  bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.total_out == member.bytes;
  inflateEnd(&stream);
  return whole;
}

absl::Status CheckReadable(const io::MappedFile& file, const Member& member) {
  if (member.flags & kEncryptedFlag) return BadData(file.name(), member.name, ": is encrypted");
  if (member.bytes == kZip64 || member.compressed_bytes == kZip64 ||
      member.local_offset == kZip64) {
    return BadData(file.name(), member.name, ": zip64 members are not supported; use safetensors");
  }
  if (member.method != kStored && member.method != kDeflated) {
    return BadData(file.name(), member.name, ": unknown zip compression ", member.method);
  }
  bool possible = member.method == kStored
                      ? member.bytes == member.compressed_bytes
                      : member.bytes <= kMaxDeflateRatio * member.compressed_bytes;
  if (!possible) {
    return BadData(file.name(), member.name, ": claims ", member.bytes, " bytes from ",
                   member.compressed_bytes);
  }
  return absl::OkStatus();
}

// The bytes of an array, inflated.
absl::StatusOr<NpyBytes> ArrayBytes(const std::shared_ptr<io::MappedFile>& file,
                                    const Member& member) {
  if (absl::Status status = CheckReadable(*file, member); !status.ok()) return status;
  absl::StatusOr<size_t> offset = DataOffset(*file, member);
  if (!offset.ok()) return offset.status();
  NpyBytes array{file->data() + *offset, member.bytes, file,
                 absl::StrCat(file->name(), ": ", member.name), member.name != "inputs.npy"};
  if (member.method == kDeflated) {
    auto inflated = std::make_shared<std::vector<uint8_t>>();
    if (!Inflate(array.data, member, inflated.get())) {
      return BadData(file->name(), member.name, ": its compressed bytes are damaged");
    }
    array.data = inflated->data();
    array.owner = inflated;
  }
  if (crc32_z(0, array.data, array.size) != member.crc32) {
    return BadData(file->name(), member.name, ": damaged, its CRC-32 does not match");
  }
  return array;
}

constexpr char kClassNames[] = "class_names";

// "inputs" for the member "inputs.npy"; nothing for members that no dataset has.
absl::string_view TensorName(absl::string_view member, const Fields& fields) {
  for (const auto& field : fields) {
    if (member == absl::StrCat(field.name, ".npy")) return field.name;
  }
  for (absl::string_view name : {"inputs", "labels", kClassNames, "values", "indices", "indptr"}) {
    if (member == absl::StrCat(name, ".npy")) return name;
  }
  return "";
}

absl::Status AddTexts(absl::string_view name, const NpyBytes& bytes, NpzFile& file) {
  absl::StatusOr<std::vector<std::string>> texts = ReadNpyTexts(bytes);
  if (!texts.ok()) return texts.status();
  std::vector<std::string> names = *std::move(texts);
  if (name == "labels") {
    NamedLabels named = ReadLabelNames(names);
    file.tensors["labels"] = std::move(named.classes);
    names = std::move(named.names);
  }
  file.metadata[kClassNames] = nlohmann::json(names).dump();
  return absl::OkStatus();
}

absl::Status AddMember(const std::shared_ptr<io::MappedFile>& file, absl::string_view name,
                       const Member& member, NpzFile& result) {
  absl::StatusOr<NpyBytes> bytes = ArrayBytes(file, member);
  if (!bytes.ok()) return bytes.status();
  if ((name == "labels" || name == kClassNames) && NpyHoldsTexts(*bytes)) {
    return AddTexts(name, *bytes, result);
  }
  absl::StatusOr<at::Tensor> tensor = ReadNpy(*bytes);
  if (!tensor.ok()) return tensor.status();
  if (name != kClassNames) result.tensors[std::string(name)] = *std::move(tensor);
  return absl::OkStatus();
}

}  // namespace

bool LooksLikeNpz(absl::string_view bytes) {
  return absl::StartsWith(bytes, kLocalMagic) || absl::StartsWith(bytes, kEndMagic);
}

absl::StatusOr<NpzFile> ReadNpz(const std::shared_ptr<io::MappedFile>& file, const Fields& fields) {
  absl::StatusOr<std::vector<Member>> members = ReadDirectory(*file);
  if (!members.ok()) return members.status();
  NpzFile result;
  std::set<absl::string_view> seen;
  Problems problems(file->name());
  for (const Member& member : *members) {
    const absl::string_view name = TensorName(member.name, fields);
    if (name.empty()) {
      result.others.emplace_back(absl::StripSuffix(member.name, ".npy"));
    } else if (!seen.insert(name).second) {
      problems.Add(BadData(file->name(), member.name, ": is there twice"));
    } else {
      problems.Add(AddMember(file, name, member, result));
    }
  }
  if (!problems.status().ok()) return problems.status();
  return result;
}

}  // namespace acclimate::data
