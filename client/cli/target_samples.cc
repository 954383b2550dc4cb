#include "client/cli/target_samples.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/job_outputs.h"
#include "client/cli/safetensors_header.h"
#include "client/lib/local_file.h"

namespace acclimate::cli {
namespace {

// A data set's arrays: one entry a sample, or, of rows in compressed form, one more than samples.
constexpr char kInputsArray[] = "inputs";
constexpr char kRowsArray[] = "indptr";

constexpr absl::string_view kNpyMagic("\x93NUMPY", 6);
constexpr absl::string_view kZipLocal("PK\3\4", 4), kZipEntry("PK\1\2", 4), kZipEnd("PK\5\6", 4);
// Sizes and offsets of PKWARE's APPNOTE.TXT 6.3.
constexpr int64_t kZipLocalBytes = 30, kZipEntryBytes = 46, kZipEndBytes = 22;
constexpr int64_t kMostZipCommentBytes = 0xFFFF;
constexpr uint16_t kZipDeflated = 8;
constexpr int64_t kNpyHeaderBytes = 4096;  // of what numpy writes for an array, the header is in it

absl::Status NoDataset(const client::LocalFile& file, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", what));
}

template <typename Integer>
Integer LittleEndian(absl::string_view bytes, size_t offset) {
  Integer value = 0;
  if (offset + sizeof(value) <= bytes.size()) std::memcpy(&value, &bytes[offset], sizeof(value));
  return value;
}

// The first number of "'shape': (1797, 64)" in the header of an .npy array.
std::optional<int64_t> FirstExtent(absl::string_view npy) {
  constexpr absl::string_view kShape = "'shape': (";
  if (!absl::StartsWith(npy, kNpyMagic)) return std::nullopt;
  const size_t at = npy.find(kShape);
  if (at == absl::string_view::npos) return std::nullopt;
  const absl::string_view rest = npy.substr(at + kShape.size());
  int64_t extent = 0;
  if (!absl::SimpleAtoi(rest.substr(0, rest.find_first_of(",)")), &extent)) return std::nullopt;
  return extent;
}

// The first bytes of a raw deflate stream.
std::string BeginningInflated(std::string compressed) {
  std::string beginning(kNpyHeaderBytes, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return "";
  stream.next_in = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_in = static_cast<uInt>(compressed.size());
  stream.next_out = reinterpret_cast<Bytef*>(beginning.data());
  stream.avail_out = static_cast<uInt>(beginning.size());
  inflate(&stream, Z_SYNC_FLUSH);
  beginning.resize(stream.total_out);
  inflateEnd(&stream);
  return beginning;
}

// The beginning of the member that the directory entry is of.
absl::StatusOr<std::string> BeginningOfMember(const client::LocalFile& file,
                                              absl::string_view entry) {
  const int64_t local = LittleEndian<uint32_t>(entry, 42);
  std::string bytes;
  absl::Status status = file.ReadAt(local, kZipLocalBytes, &bytes);
  if (!status.ok()) return status;
  if (!absl::StartsWith(bytes, kZipLocal)) return NoDataset(file, "the zip archive is damaged");
  const int64_t data = local + kZipLocalBytes + LittleEndian<uint16_t>(bytes, 26) +
                       LittleEndian<uint16_t>(bytes, 28);
  if (status = file.ReadAt(data, kNpyHeaderBytes, &bytes); !status.ok()) return status;
  return LittleEndian<uint16_t>(entry, 10) == kZipDeflated ? BeginningInflated(bytes) : bytes;
}

// The directory of a zip archive, entry by entry.
absl::StatusOr<int64_t> SamplesInNpz(const client::LocalFile& file, int64_t size) {
  const int64_t tail_bytes = std::min(size, kZipEndBytes + kMostZipCommentBytes);
  std::string tail;
  absl::Status status = file.ReadAt(size - tail_bytes, tail_bytes, &tail);
  if (!status.ok()) return status;
  const size_t end = absl::string_view(tail).rfind(kZipEnd);
  if (end == absl::string_view::npos) return NoDataset(file, "the zip archive is truncated");
  std::string directory;
  const absl::string_view end_record = absl::string_view(tail).substr(end);
  const int64_t directory_bytes = std::min<int64_t>(LittleEndian<uint32_t>(end_record, 12), size);
  status = file.ReadAt(LittleEndian<uint32_t>(end_record, 16), directory_bytes, &directory);
  if (!status.ok()) return status;
  for (absl::string_view entry = directory;
       absl::StartsWith(entry, kZipEntry) && entry.size() >= kZipEntryBytes;) {
    const size_t name_bytes = LittleEndian<uint16_t>(entry, 28);
    const absl::string_view name = entry.substr(kZipEntryBytes, name_bytes);
    const bool rows = name == absl::StrCat(kRowsArray, ".npy");
    if (rows || name == absl::StrCat(kInputsArray, ".npy")) {
      const absl::StatusOr<std::string> beginning = BeginningOfMember(file, entry);
      if (!beginning.ok()) return beginning.status();
      const std::optional<int64_t> extent = FirstExtent(*beginning);
      if (!extent) return NoDataset(file, absl::StrCat(name, " is no array"));
      return rows ? *extent - 1 : *extent;
    }
    const size_t next = kZipEntryBytes + name_bytes + LittleEndian<uint16_t>(entry, 30) +
                        LittleEndian<uint16_t>(entry, 32);
    entry = entry.substr(std::min(next, entry.size()));
  }
  return NoDataset(file, absl::StrCat("has no ", kInputsArray));
}

absl::StatusOr<int64_t> SamplesInSafetensors(const client::LocalFile& file) {
  const auto places = ReadSafetensorsHeader(file);
  if (!places.ok()) return places.status();
  for (const auto& [name, more_than_samples] : {std::pair(kInputsArray, 0), {kRowsArray, 1}}) {
    const auto found = places->find(name);
    if (found == places->end() || found->second.shape.empty()) continue;
    return found->second.shape[0] - more_than_samples;
  }
  return NoDataset(file, absl::StrCat("has no ", kInputsArray));
}

}  // namespace

absl::StatusOr<int64_t> SamplesOfTarget(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    const absl::StatusOr<JobPredictions> predictions = ReadJobPredictions(path);
    if (!predictions.ok()) return predictions.status();
    return static_cast<int64_t>(predictions->returned.predicted.size());
  }
  const absl::StatusOr<client::LocalFile> file = client::LocalFile::OpenForReading(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<int64_t> size = file->SizeBytes();
  if (!size.ok()) return size.status();
  std::string beginning;
  if (absl::Status status = file->ReadAt(0, kNpyHeaderBytes, &beginning); !status.ok()) {
    return status;
  }
  if (absl::StartsWith(beginning, kZipLocal)) return SamplesInNpz(*file, *size);
  if (!absl::StartsWith(beginning, kNpyMagic)) return SamplesInSafetensors(*file);
  const std::optional<int64_t> extent = FirstExtent(beginning);
  if (!extent) return NoDataset(*file, "its header has no shape");
  return *extent;
}

}  // namespace acclimate::cli
