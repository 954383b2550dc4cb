#include "core/data/npy_dtype.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/data/bad_data.h"

namespace acclimate::data {
namespace {

struct Known {
  absl::string_view descr;  // without the byte order
  NpyDtype::Kind kind;
  at::ScalarType type;
  int64_t bytes;
};

constexpr Known kKnown[] = {
    {"f4", NpyDtype::Kind::kNumber, at::kFloat, 4},
    {"f8", NpyDtype::Kind::kNumber, at::kDouble, 8},
    {"f2", NpyDtype::Kind::kNumber, at::kHalf, 2},
    {"u1", NpyDtype::Kind::kNumber, at::kByte, 1},
    {"i8", NpyDtype::Kind::kNumber, at::kLong, 8},
    {"i4", NpyDtype::Kind::kNumber, at::kInt, 4},
    {"i2", NpyDtype::Kind::kNumber, at::kShort, 2},
    {"i1", NpyDtype::Kind::kNumber, at::kChar, 1},
    {"b1", NpyDtype::Kind::kNumber, at::kBool, 1},
    {"u2", NpyDtype::Kind::kUnsigned, at::kInt, 2},
    {"u4", NpyDtype::Kind::kUnsigned, at::kLong, 4},
    {"u8", NpyDtype::Kind::kUnsigned, at::kLong, 8},
};

constexpr int64_t kMostTextBytes = 1 << 16;

absl::Status Refuse(absl::string_view descr, absl::string_view plain, const std::string& name) {
  const auto refuse = [&](absl::string_view why) {
    return BadData(name, "dtype '", descr, "' ", why);
  };
  if (absl::StartsWith(plain, "O")) {
    return refuse(
        "holds Python objects, as NumPy makes of rows that differ in length: make one array of "
        "them, np.stack(rows), after padding or cutting them to one shape");
  }
  if (absl::StartsWith(descr, "[")) {
    return refuse(
        "is a structured array: store plain columns, "
        "np.lib.recfunctions.structured_to_unstructured(array)");
  }
  if (absl::StartsWith(plain, "c")) {
    return refuse("holds complex numbers: store np.stack([a.real, a.imag], 1)");
  }
  if (absl::StartsWith(plain, "M") || absl::StartsWith(plain, "m")) {
    return refuse("holds dates: store numbers");
  }
  if (absl::StartsWith(plain, "f")) {
    return refuse("is not read: store array.astype(np.float32)");
  }
  return refuse("is not a dtype that a dataset may have");
}

}  // namespace

absl::StatusOr<NpyDtype> ParseNpyDtype(absl::string_view descr, const std::string& name) {
  absl::string_view plain = descr;
  const bool big_endian = absl::StartsWith(plain, ">");
  if (!plain.empty() && absl::StrContains("<>|=", plain.substr(0, 1))) plain.remove_prefix(1);
  int64_t characters = 0;
  const bool text = (absl::StartsWith(plain, "U") || absl::StartsWith(plain, "S")) &&
                    absl::SimpleAtoi(plain.substr(1), &characters) && characters >= 0 &&
                    characters <= kMostTextBytes;
  const Known* known = nullptr;
  for (const Known& candidate : kKnown) {
    if (plain == candidate.descr) known = &candidate;
  }
  if (known == nullptr && !text) return Refuse(descr, plain, name);
  if (big_endian) {
    return BadData(name, "dtype '", descr, "' is big-endian: store array.astype('<", plain, "')");
  }
  if (known != nullptr) return NpyDtype{known->kind, known->type, known->bytes};
  if (plain[0] == 'S') return NpyDtype{NpyDtype::Kind::kBytes, at::kByte, characters};
  return NpyDtype{NpyDtype::Kind::kUtf32, at::kByte, 4 * characters};
}

}  // namespace acclimate::data
