#include "core/data/npy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/data/bad_data.h"

namespace acclimate::data {
namespace {

constexpr absl::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kVersionBytes = 2;

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
  size_t data_offset = 0;
};

struct TypeName {
  absl::string_view descr;  // without the byte order
  at::ScalarType type;
};
constexpr TypeName kTypeNames[] = {
    {"f4", at::kFloat}, {"f8", at::kDouble}, {"f2", at::kHalf},
    {"u1", at::kByte},  {"i8", at::kLong},   {"i4", at::kInt},
    {"i2", at::kShort}, {"i1", at::kChar},   {"b1", at::kBool},
};

// The text behind `'key':` in the header's Python dictionary, up to `end`.
absl::StatusOr<std::string> Field(const NpyBytes& bytes, absl::string_view dictionary,
                                  absl::string_view key, char begin, char end) {
  size_t at = dictionary.find(absl::StrCat("'", key, "'"));
  if (at == absl::string_view::npos)
    return BadData(bytes.name, "the npy header has no '", key, "'");
  absl::string_view rest =
      absl::StripLeadingAsciiWhitespace(dictionary.substr(at + key.size() + 2));
  bool opened = absl::ConsumePrefix(&rest, ":");
  rest = absl::StripLeadingAsciiWhitespace(rest);
  if (begin != '\0') opened = opened && absl::ConsumePrefix(&rest, absl::string_view(&begin, 1));
  size_t close = rest.find(end);
  if (!opened || close == absl::string_view::npos) {
    return BadData(bytes.name, "the npy header's '", key, "' cannot be read");
  }
  return std::string(absl::StripAsciiWhitespace(rest.substr(0, close)));
}

absl::Status ReadShape(const NpyBytes& bytes, absl::string_view text, std::vector<int64_t>* shape) {
  for (absl::string_view extent : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    int64_t value;
    if (!absl::SimpleAtoi(extent, &value) || value < 0) {
      return BadData(bytes.name, "the npy header's shape (", text, ") is not a list of sizes");
    }
    shape->push_back(value);
  }
  return absl::OkStatus();
}

absl::StatusOr<Header> ParseDictionary(const NpyBytes& bytes, absl::string_view dictionary) {
  Header header;
  absl::StatusOr<std::string> descr = Field(bytes, dictionary, "descr", '\'', '\'');
  if (!descr.ok()) return descr.status();
  absl::StatusOr<std::string> order = Field(bytes, dictionary, "fortran_order", '\0', ',');
  if (!order.ok()) return order.status();
  absl::StatusOr<std::string> shape = Field(bytes, dictionary, "shape", '(', ')');
  if (!shape.ok()) return shape.status();
  if (*order != "True" && *order != "False") {
    return BadData(bytes.name, "the npy header's fortran_order is ", *order);
  }
  header.descr = *std::move(descr);
  header.fortran_order = *order == "True";
  absl::Status status = ReadShape(bytes, *shape, &header.shape);
  if (!status.ok()) return status;
  return header;
}

absl::StatusOr<Header> ReadHeader(const NpyBytes& bytes) {
  absl::string_view text(reinterpret_cast<const char*>(bytes.data), bytes.size);
  size_t prefix = kMagic.size() + kVersionBytes;
  int version = bytes.size > kMagic.size() ? bytes.data[kMagic.size()] : 0;
  if (version < 1 || version > 3) return BadData(bytes.name, "unknown npy version ", version);
  size_t length_bytes = version == 1 ? 2 : 4;
  if (bytes.size < prefix + length_bytes)
    return BadData(bytes.name, "truncated at byte ", bytes.size);
  uint32_t length = 0;
  std::memcpy(&length, bytes.data + prefix, length_bytes);  // little-endian, as this machine
  size_t begin = prefix + length_bytes;
  if (length > bytes.size - begin) {
    return BadData(bytes.name, "the npy header claims ", length, " bytes, but only ",
                   bytes.size - begin, " follow byte ", begin);
  }
  absl::StatusOr<Header> header = ParseDictionary(bytes, text.substr(begin, length));
  if (header.ok()) header->data_offset = begin + length;
  return header;
}

absl::StatusOr<at::ScalarType> ReadType(const NpyBytes& bytes, absl::string_view descr) {
  if (absl::StartsWith(descr, ">")) {
    return BadData(bytes.name, "descr '", descr, "' is big-endian; store the array little-endian");
  }
  absl::string_view plain = descr;
  if (!plain.empty() && absl::StrContains("<|=", plain.substr(0, 1))) plain.remove_prefix(1);
  for (const TypeName& known : kTypeNames) {
    if (plain == known.descr) return known.type;
  }
  return BadData(bytes.name, "descr '", descr, "' is not a dtype that a dataset may have");
}

absl::StatusOr<uint64_t> ByteSize(const NpyBytes& bytes, const Header& header,
                                  at::ScalarType type) {
  uint64_t size = c10::elementSize(type), left = bytes.size - header.data_offset;
  bool empty = std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end();
  bool fits = true;
  for (int64_t extent : header.shape) {
    fits = fits && !__builtin_mul_overflow(size, static_cast<uint64_t>(extent), &size);
  }
  if (empty) return 0;
  if (!fits || size > left) {
    return BadData(bytes.name, "the npy header claims shape (", absl::StrJoin(header.shape, ", "),
                   ") of ", header.descr, ", but only ", left, " bytes follow byte ",
                   header.data_offset);
  }
  return size;
}

}  // namespace

bool LooksLikeNpy(absl::string_view bytes) { return absl::StartsWith(bytes, kMagic); }

absl::StatusOr<at::Tensor> ReadNpy(const NpyBytes& bytes) {
  if (!LooksLikeNpy({reinterpret_cast<const char*>(bytes.data), bytes.size})) {
    return BadData(bytes.name, "is not an npy array");
  }
  absl::StatusOr<Header> header = ReadHeader(bytes);
  if (!header.ok()) return header.status();
  absl::StatusOr<at::ScalarType> type = ReadType(bytes, header->descr);
  if (!type.ok()) return type.status();
  absl::StatusOr<uint64_t> size = ByteSize(bytes, *header, *type);
  if (!size.ok()) return size.status();

  // Fortran order is the C order of the axes reversed.
  std::vector<int64_t> shape = header->shape;
  if (header->fortran_order) std::reverse(shape.begin(), shape.end());
  uint8_t* data = bytes.data + header->data_offset;
  at::Tensor tensor;
  if (*size > 0 && reinterpret_cast<uintptr_t>(data) % c10::elementSize(*type) == 0) {
    tensor = at::from_blob(
        data, shape, [owner = bytes.owner](void*) {}, at::TensorOptions(*type));
  } else {
    tensor = at::empty(shape, at::TensorOptions(*type));
    if (*size > 0) std::memcpy(tensor.data_ptr(), data, *size);
  }
  if (!header->fortran_order) return tensor;
  std::vector<int64_t> reversed(shape.size());
  for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = reversed.size() - 1 - i;
  return tensor.permute(reversed).contiguous();
}

}  // namespace acclimate::data
