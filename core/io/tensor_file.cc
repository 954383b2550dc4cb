#include "core/io/tensor_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

namespace acclimate::io {
namespace {

using nlohmann::json;

constexpr char kMetadataKey[] = "__metadata__";
constexpr uint64_t kLengthBytes = 8;              // the header's length, little-endian
constexpr uint64_t kMaxHeaderBytes = 100u << 20;  // the format's own limit
constexpr int kMaxNesting = 4;                    // file, tensor, its lists: one to spare

struct TypeName {
  const char* name;
  at::ScalarType type;
};
constexpr TypeName kTypeNames[] = {
    {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
    {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
    {"U8", at::kByte},    {"BOOL", at::kBool},
};

// Where one tensor lies in the body, and what it is called.
struct Span {
  uint64_t begin;
  uint64_t end;
  std::string name;
};

template <typename... Parts>
absl::Status Damaged(const MappedFile& file, const Parts&... what) {
  return absl::InvalidArgumentError(absl::StrCat(file.name(), ": ", what...));
}

uint64_t HeaderLength(const MappedFile& file) {
  uint64_t length;
  std::memcpy(&length, file.data(), sizeof(length));
  return length;
}

// The parser keeps no recursion of its own, so that the limit is for those who walk the value.
absl::StatusOr<json> ParseHeader(const MappedFile& file, uint64_t length) {
  const char* begin = reinterpret_cast<const char*>(file.data()) + kLengthBytes;
  bool too_deep = false;
  std::set<std::string> names;
  std::string repeated;
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    too_deep |= depth > kMaxNesting;
    if (depth == 1 && event == json::parse_event_t::key &&
        !names.insert(value.get<std::string>()).second) {
      repeated = value.get<std::string>();
    }
    return !too_deep;
  };
  try {
    json header = json::parse(begin, begin + length, check);
    if (too_deep) return Damaged(file, "the header is nested too deeply");
    if (!repeated.empty()) return Damaged(file, "tensor \"", repeated, "\" is described twice");
    if (!header.is_object()) return Damaged(file, "the header is not a JSON object");
    return header;
  } catch (const json::exception& error) {
    if (too_deep) return Damaged(file, "the header is nested too deeply");
    return Damaged(file, "the header is not valid JSON: ", error.what());
  }
}

absl::StatusOr<std::map<std::string, std::string>> ReadMetadata(const MappedFile& file,
                                                                const json& value) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object()) return Damaged(file, kMetadataKey, " is not a JSON object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) return Damaged(file, kMetadataKey, ".", key, " is not a string");
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// The product of `shape` times `element_size`, or nothing when it does not fit.
bool ByteSize(const std::vector<uint64_t>& shape, uint64_t element_size, uint64_t* bytes) {
  if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) {
    *bytes = 0;
    return true;
  }
  *bytes = element_size;
  for (const uint64_t extent : shape) {
    if (__builtin_mul_overflow(*bytes, extent, bytes)) return false;
  }
  return true;
}

bool ReadUnsignedList(const json& entry, const char* key, std::vector<uint64_t>* list) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) return false;
  for (const json& item : *found) {
    if (!item.is_number_unsigned()) return false;
    list->push_back(item.get<uint64_t>());
    if (list->back() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return false;
  }
  return true;
}

at::Tensor MakeTensor(const std::shared_ptr<MappedFile>& file, uint64_t offset, uint64_t bytes,
                      const std::vector<int64_t>& shape, at::ScalarType type) {
  uint8_t* data = file->data() + offset;
  const bool aligned = reinterpret_cast<uintptr_t>(data) % c10::elementSize(type) == 0;
  if (bytes > 0 && aligned) {
    return at::from_blob(
        data, shape, [file](void*) {}, at::TensorOptions(type));
  }
  at::Tensor copy = at::empty(shape, at::TensorOptions(type));
  if (bytes > 0) std::memcpy(copy.data_ptr(), data, bytes);
  return copy;
}

// Reads one entry of the header; `body` is the offset of the first tensor byte in the file.
absl::StatusOr<at::Tensor> ReadTensor(const std::shared_ptr<MappedFile>& file, uint64_t body,
                                      const std::string& name, const json& entry, Span* span) {
  const auto damaged = [&](const auto&... what) {
    return Damaged(*file, "tensor \"", name, "\": ", what...);
  };
  if (!entry.is_object()) return damaged("its description is not a JSON object");
  const auto dtype = entry.find("dtype");
  if (dtype == entry.end() || !dtype->is_string()) return damaged("no dtype");
  const std::string type_name = dtype->get<std::string>();
  const auto* type = std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                                  [&](const TypeName& known) { return type_name == known.name; });
  if (type == std::end(kTypeNames)) return damaged("unknown dtype \"", type_name, "\"");

  std::vector<uint64_t> shape, offsets;
  if (!ReadUnsignedList(entry, "shape", &shape)) return damaged("bad shape");
  if (!ReadUnsignedList(entry, "data_offsets", &offsets) || offsets.size() != 2) {
    return damaged("bad data_offsets");
  }
  const uint64_t body_size = file->size() - body;
  if (offsets[0] > offsets[1] || offsets[1] > body_size) {
    return damaged("data_offsets [", offsets[0], ", ", offsets[1], "] leave the ", body_size,
                   " bytes of data");
  }
  uint64_t bytes;
  if (!ByteSize(shape, c10::elementSize(type->type), &bytes) || bytes != offsets[1] - offsets[0]) {
    return damaged("shape [", absl::StrJoin(shape, ", "), "] of ", type_name, " contradicts its ",
                   offsets[1] - offsets[0], " bytes");
  }
  *span = {offsets[0], offsets[1], name};
  return MakeTensor(file, body + offsets[0], bytes, {shape.begin(), shape.end()}, type->type);
}

// Every byte of the body must belong to exactly one tensor.
absl::Status CheckSpans(const MappedFile& file, std::vector<Span> spans, uint64_t body_size) {
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t position = 0;
  for (const Span& span : spans) {
    if (span.begin < position) {
      return Damaged(file, "tensor \"", span.name, "\" overlaps the one before it");
    }
    if (span.begin > position) {
      return Damaged(file, "a hole before tensor \"", span.name, "\": data bytes ", position,
                     " to ", span.begin, " belong to no tensor");
    }
    position = span.end;
  }
  if (position != body_size) {
    return Damaged(file, "data bytes ", position, " to ", body_size, " belong to no tensor");
  }
  return absl::OkStatus();
}

absl::string_view Bytes(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return {};
  return {static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()};
}

}  // namespace

bool LooksLikeSafetensors(const MappedFile& file) {
  if (file.size() <= kLengthBytes || file.data()[kLengthBytes] != '{') return false;
  return HeaderLength(file) <= kMaxHeaderBytes;
}

absl::StatusOr<TensorFile> ReadSafetensors(std::shared_ptr<MappedFile> file) {
  if (file->size() < kLengthBytes) {
    return Damaged(*file, "too short for safetensors: ", file->size(), " bytes");
  }
  const uint64_t length = HeaderLength(*file);
  if (length > kMaxHeaderBytes || length > file->size() - kLengthBytes) {
    return Damaged(*file, "the safetensors header claims ", length, " bytes, but only ",
                   file->size() - kLengthBytes, " follow");
  }
  absl::StatusOr<json> header = ParseHeader(*file, length);
  if (!header.ok()) return header.status();

  TensorFile result;
  std::vector<Span> spans;
  const uint64_t body = kLengthBytes + length;
  for (const auto& [name, entry] : header->items()) {
    if (name == kMetadataKey) {
      auto metadata = ReadMetadata(*file, entry);
      if (!metadata.ok()) return metadata.status();
      result.metadata = *std::move(metadata);
      continue;
    }
    absl::StatusOr<at::Tensor> tensor = ReadTensor(file, body, name, entry, &spans.emplace_back());
    if (!tensor.ok()) return tensor.status();
    result.tensors.emplace(name, *std::move(tensor));
  }
  if (absl::Status status = CheckSpans(*file, std::move(spans), file->size() - body);
      !status.ok()) {
    return status;
  }
  return result;
}

absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, at::Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::vector<TensorFileWriter::Announced> announced;
  for (const auto& [name, tensor] : tensors) {
    announced.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
  }
  absl::StatusOr<TensorFileWriter> writer = TensorFileWriter::Create(path, announced, metadata);
  if (!writer.ok()) return writer.status();
  for (const auto& [name, tensor] : tensors) {
    if (absl::Status status = writer->Append(tensor); !status.ok()) return status;
  }
  return writer->Commit();
}

absl::StatusOr<TensorFileWriter> TensorFileWriter::Create(
    const std::string& path, const std::vector<Announced>& tensors,
    const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::vector<Section> sections;
  uint64_t offset = 0;
  for (const Announced& tensor : tensors) {
    const auto* type =
        std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                     [&](const TypeName& known) { return known.type == tensor.type; });
    if (type == std::end(kTypeNames)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor \"", tensor.name, "\": safetensors has no ", c10::toString(tensor.type)));
    }
    uint64_t bytes = 0;
    if (!ByteSize({tensor.shape.begin(), tensor.shape.end()}, c10::elementSize(tensor.type),
                  &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor.name, "\": too large"));
    }
    header[tensor.name] = {
        {"dtype", type->name}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + bytes}}};
    sections.push_back({tensor.type, bytes});
    offset += bytes;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot name the tensors: ", error.what()));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // keeps the data aligned
  const uint64_t length = text.size();

  absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  absl::Status status = file->Write({reinterpret_cast<const char*>(&length), sizeof(length)});
  if (status.ok()) status = file->Write(text);
  if (!status.ok()) return status;
  return TensorFileWriter(*std::move(file), std::move(sections));
}

absl::Status TensorFileWriter::Append(const at::Tensor& part) {
  const at::Tensor body = part.detach().cpu().contiguous();
  const absl::string_view bytes = Bytes(body);
  if (bytes.empty()) return absl::OkStatus();
  while (current_ < sections_.size() && sections_[current_].bytes_left == 0) ++current_;
  if (current_ == sections_.size() || sections_[current_].type != body.scalar_type() ||
      sections_[current_].bytes_left < bytes.size()) {
    return absl::InternalError("a part of a tensor that was not announced so");
  }
  sections_[current_].bytes_left -= bytes.size();
  return file_.Write(bytes);
}

absl::Status TensorFileWriter::Commit() {
  for (const Section& section : sections_) {
    if (section.bytes_left > 0) return absl::InternalError("parts of a tensor are missing");
  }
  return file_.Commit();
}

}  // namespace acclimate::io
