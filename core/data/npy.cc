#include "core/data/npy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/data/bad_data.h"
#include "core/data/npy_dtype.h"

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
  // A structured array lists its columns, and is refused with the list.
  const bool structured = absl::StrContains(dictionary, "'descr': [");
  absl::StatusOr<std::string> descr = structured ? Field(bytes, dictionary, "descr", '\0', ']')
                                                 : Field(bytes, dictionary, "descr", '\'', '\'');
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

absl::StatusOr<uint64_t> ByteSize(const NpyBytes& bytes, const Header& header,
                                  const NpyDtype& dtype) {
  uint64_t size = dtype.bytes, left = bytes.size - header.data_offset;
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

// A copy of unsigned numbers as the wider type that they are read as.
template <typename Stored, typename Wide>
at::Tensor Widened(const uint8_t* data, const std::vector<int64_t>& shape, at::ScalarType type) {
  at::Tensor wide = at::empty(shape, at::TensorOptions(type));
  Wide* const values = wide.data_ptr<Wide>();
  for (int64_t i = 0; i < wide.numel(); ++i) {
    Stored value;
    std::memcpy(&value, data + i * sizeof(Stored), sizeof(Stored));
    values[i] = static_cast<Wide>(value);
  }
  return wide;
}

at::Tensor Elements(const NpyBytes& bytes, const NpyDtype& dtype, const std::vector<int64_t>& shape,
                    uint8_t* data, uint64_t size) {
  if (dtype.kind == NpyDtype::Kind::kUnsigned) {
    if (dtype.bytes == 2) return Widened<uint16_t, int32_t>(data, shape, dtype.type);
    if (dtype.bytes == 4) return Widened<uint32_t, int64_t>(data, shape, dtype.type);
    return Widened<uint64_t, int64_t>(data, shape, dtype.type);
  }
  if (size > 0 && reinterpret_cast<uintptr_t>(data) % dtype.bytes == 0) {
    return at::from_blob(
        data, shape, [owner = bytes.owner](void*) {}, at::TensorOptions(dtype.type));
  }
  at::Tensor copy = at::empty(shape, at::TensorOptions(dtype.type));
  if (size > 0) std::memcpy(copy.data_ptr(), data, size);
  return copy;
}

bool IsText(const NpyDtype& dtype) {
  return dtype.kind == NpyDtype::Kind::kUtf32 || dtype.kind == NpyDtype::Kind::kBytes;
}

// Of a code point; nothing for zero, with which NumPy fills texts up.
void AppendUtf8(uint32_t code, std::string* text) {
  const auto add = [text](uint32_t byte) { text->push_back(static_cast<char>(byte)); };
  if (code == 0) return;
  if (code < 0x80) return add(code);
  if (code < 0x800) {
    add(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3F));
  } else {
    add(0xF0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3F));
    add(0x80 | (code >> 6 & 0x3F));
  }
  add(0x80 | (code & 0x3F));
}

// Code points that UTF-8 can hold; a text of bytes is taken as Latin-1, which contains ASCII.
absl::StatusOr<std::string> TextOf(const NpyBytes& bytes, const NpyDtype& dtype,
                                   const uint8_t* data) {
  std::string text;
  const bool wide = dtype.kind == NpyDtype::Kind::kUtf32;
  for (int64_t i = 0; i < dtype.bytes; i += wide ? 4 : 1) {
    uint32_t code = data[i];
    if (wide) std::memcpy(&code, data + i, sizeof(code));
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      return BadData(bytes.name, "a text holds ", code, ", which is no character");
    }
    AppendUtf8(code, &text);
  }
  return text;
}

}  // namespace

bool LooksLikeNpy(absl::string_view bytes) { return absl::StartsWith(bytes, kMagic); }

absl::StatusOr<at::Tensor> ReadNpy(const NpyBytes& bytes) {
  if (!LooksLikeNpy({reinterpret_cast<const char*>(bytes.data), bytes.size})) {
    return BadData(bytes.name, "is not an npy array");
  }
  absl::StatusOr<Header> header = ReadHeader(bytes);
  if (!header.ok()) return header.status();
  absl::StatusOr<NpyDtype> dtype = ParseNpyDtype(header->descr, bytes.name);
  if (!dtype.ok()) return dtype.status();
  if (IsText(*dtype)) {
    return BadData(bytes.name, "dtype '", header->descr,
                   "' holds texts; samples are numbers, and texts are taken as labels only");
  }
  if (dtype->kind == NpyDtype::Kind::kUnsigned && !bytes.whole_numbers) {
    return BadData(bytes.name, "dtype '", header->descr,
                   "' is not read as samples: store array.astype(np.float32) / ",
                   dtype->bytes == 2 ? "65535" : "its largest value");
  }
  absl::StatusOr<uint64_t> size = ByteSize(bytes, *header, *dtype);
  if (!size.ok()) return size.status();

  // Fortran order is the C order of the axes reversed.
  std::vector<int64_t> shape = header->shape;
  if (header->fortran_order) std::reverse(shape.begin(), shape.end());
  const at::Tensor tensor = Elements(bytes, *dtype, shape, bytes.data + header->data_offset, *size);
  if (!header->fortran_order) return tensor;
  std::vector<int64_t> reversed(shape.size());
  for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = reversed.size() - 1 - i;
  return tensor.permute(reversed).contiguous();
}

bool NpyHoldsTexts(const NpyBytes& bytes) {
  if (!LooksLikeNpy({reinterpret_cast<const char*>(bytes.data), bytes.size})) return false;
  const absl::StatusOr<Header> header = ReadHeader(bytes);
  if (!header.ok()) return false;
  const absl::StatusOr<NpyDtype> dtype = ParseNpyDtype(header->descr, bytes.name);
  return dtype.ok() && IsText(*dtype);
}

absl::StatusOr<std::vector<std::string>> ReadNpyTexts(const NpyBytes& bytes) {
  absl::StatusOr<Header> header = ReadHeader(bytes);
  if (!header.ok()) return header.status();
  absl::StatusOr<NpyDtype> dtype = ParseNpyDtype(header->descr, bytes.name);
  if (!dtype.ok()) return dtype.status();
  const std::vector<int64_t>& shape = header->shape;
  if (shape.empty() || shape.size() > 2 || (shape.size() == 2 && shape[1] != 1)) {
    return BadData(bytes.name, "has shape (", absl::StrJoin(shape, ", "),
                   "), but must be one text a sample, (N,)");
  }
  absl::StatusOr<uint64_t> size = ByteSize(bytes, *header, *dtype);
  if (!size.ok()) return size.status();
  std::vector<std::string> texts;
  const uint8_t* data = bytes.data + header->data_offset;
  for (int64_t i = 0; i < shape[0]; ++i, data += dtype->bytes) {
    absl::StatusOr<std::string> text = TextOf(bytes, *dtype, data);
    if (!text.ok()) return text.status();
    texts.push_back(*std::move(text));
  }
  return texts;
}

}  // namespace acclimate::data
