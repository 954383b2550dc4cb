#include "tests/reliability/mutation.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/test_data.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

constexpr size_t kLengthBytes = 8;  // of the length in front of a safetensors header

template <typename T>
const T& AnyOf(const std::vector<T>& values, std::mt19937_64& random) {
  return values[static_cast<size_t>(Draw(random, static_cast<int64_t>(values.size()) - 1))];
}

size_t AnyPlace(const std::string& bytes, std::mt19937_64& random) {
  return static_cast<size_t>(Draw(random, static_cast<int64_t>(bytes.size()) - 1));
}

const std::vector<int64_t>& Extremes() {
  static const auto& values = *new std::vector<int64_t>{0,
                                                        1,
                                                        -1,
                                                        2,
                                                        7,
                                                        255,
                                                        65'536,
                                                        INT32_MAX,
                                                        INT32_MIN,
                                                        int64_t{1} << 32,
                                                        int64_t{1} << 40,
                                                        INT64_MAX,
                                                        INT64_MIN};
  return values;
}

const std::vector<std::string>& Texts() {
  static const auto& texts =
      *new std::vector<std::string>{"",
                                    "x",
                                    std::string(1, '\0'),
                                    std::string(100'000, 'y'),
                                    "\xff\xfe no UTF-8",
                                    "../../../../etc/passwd",
                                    "tenants/default/jobs/",
                                    "tenants/default/blobs/" + std::string(64, '0'),
                                    "tenants//uploads/x",
                                    "methods/none",
                                    "inputs",
                                    "labels",
                                    "F64",
                                    "state=RUNNING AND label.a=b",
                                    "%s%n{}$(reboot)"};
  return texts;
}

std::string MutateBytes(std::string bytes, std::mt19937_64& random) {
  const size_t at = AnyPlace(bytes, random);
  const auto length = static_cast<size_t>(1 + Draw(random, 200));
  switch (Draw(random, 4)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << Draw(random, 7)));
      break;
    case 1:
      bytes.resize(at);
      break;
    case 2:
      bytes.erase(at, length);
      break;
    case 3:
      bytes.insert(at, bytes.substr(AnyPlace(bytes, random), length));
      break;
    default:
      bytes.replace(at, std::min(length, bytes.size() - at), length, '\xff');
  }
  return bytes;
}

void MutateTensor(Json& tensor, std::mt19937_64& random) {
  Json& shape = tensor["shape"];
  Json& offsets = tensor["data_offsets"];
  switch (Draw(random, 6)) {
    case 0:
      if (shape.empty()) break;
      shape[static_cast<size_t>(Draw(random, static_cast<int64_t>(shape.size()) - 1))] =
          AnyOf(Extremes(), random);
      break;
    case 1:
      shape.push_back(AnyOf(Extremes(), random));
      break;
    case 2:
      shape.clear();
      break;
    case 3:
      offsets[static_cast<size_t>(Draw(random, 1))] = AnyOf(Extremes(), random);
      break;
    case 4:
      std::swap(offsets[0], offsets[1]);
      break;
    case 5:
      tensor["dtype"] = AnyOf<std::string>(
          {"F64", "F32", "I64", "U8", "BOOL", "BF16", "F8_E4M3", "I8", "", "complex"}, random);
      break;
    default:
      tensor = AnyOf<Json>({Json(), Json(7), Json("x"), Json::array(), Json::object()}, random);
  }
}

std::string MutateSafetensors(const std::string& file, std::mt19937_64& random) {
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  Json header = Json::parse(file.substr(kLengthBytes, length), nullptr, /*allow_exceptions=*/false);
  std::string data = file.substr(kLengthBytes + length);
  if (!header.is_object() || header.empty()) return MutateBytes(file, random);
  auto tensor = header.begin();
  std::advance(tensor, Draw(random, static_cast<int64_t>(header.size()) - 1));
  switch (Draw(random, 6)) {
    case 0: {
      const Json moved = *tensor;
      header.erase(tensor.key());
      header[AnyOf<std::string>({"inputs", "labels", "other", "", "__metadata__"}, random)] = moved;
      break;
    }
    case 1:
      header.erase(tensor.key());
      break;
    case 2:
      data = MutateBytes(data.empty() ? "x" : data, random);
      break;
    case 3: {  // a header of another length than it says
      std::string text = header.dump();
      const auto said = static_cast<uint64_t>(AnyOf(Extremes(), random));
      return absl::StrCat(e2e::AsBytes(std::vector<uint64_t>{said}), text, data);
    }
    case 4: {  // one within the other, very deep
      const std::string deep(100'000, '[');
      return e2e::SafetensorsWithHeader(absl::StrCat("{\"inputs\":", deep), data);
    }
    default:
      if (tensor->is_object() && tensor->contains("shape")) MutateTensor(*tensor, random);
  }
  return e2e::SafetensorsWithHeader(header.dump(-1, ' ', false, Json::error_handler_t::replace),
                                    data);
}

// A number in one of the headers of the archive.
std::string MutateZip(std::string file, std::mt19937_64& random) {
  std::vector<size_t> headers;
  for (const char* mark : {"PK\x03\x04", "PK\x01\x02", "PK\x05\x06", "PK\x06\x06"}) {
    for (size_t at = file.find(mark); at != std::string::npos; at = file.find(mark, at + 1)) {
      headers.push_back(at);
    }
  }
  if (headers.empty() || Draw(random, 2) == 0) return MutateBytes(file, random);
  constexpr int64_t kHeaderBytes = 46;
  const size_t at = AnyOf(headers, random) + 4 + static_cast<size_t>(Draw(random, kHeaderBytes));
  const auto value = static_cast<uint64_t>(AnyOf(Extremes(), random));
  const auto width = size_t{1} << Draw(random, 3);
  if (at + width > file.size()) return MutateBytes(file, random);
  std::memcpy(file.data() + at, &value, width);
  return file;
}

std::vector<const FieldDescriptor*> FieldsOf(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    fields.push_back(message.GetDescriptor()->field(i));
  }
  return fields;
}

void SetNumber(Message& message, const FieldDescriptor& field, std::mt19937_64& random) {
  const Reflection& reflection = *message.GetReflection();
  const int64_t value = AnyOf(Extremes(), random);
  const double real = AnyOf<double>(
      {0, -1, 1e308, -1e308, 5e-324, HUGE_VAL, std::numeric_limits<double>::quiet_NaN()}, random);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(&message, &field, static_cast<int32_t>(value));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(&message, &field, value);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(&message, &field, static_cast<uint32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(&message, &field, static_cast<uint64_t>(value));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(&message, &field, real);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.SetFloat(&message, &field, static_cast<float>(real));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(&message, &field, value != 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.SetEnumValue(&message, &field, static_cast<int>(value));
    default:
      return;
  }
}

void MutateList(Message& message, const FieldDescriptor& field, std::mt19937_64& random) {
  const Reflection& reflection = *message.GetReflection();
  const int64_t more = AnyOf<int64_t>({0, 1, 2, 1500}, random);
  if (more == 0) return reflection.ClearField(&message, &field);
  for (int64_t i = 0; i < more; ++i) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Message& added = *reflection.AddMessage(&message, &field);
      if (i < 2) MutateMessage(added, random);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      reflection.AddString(&message, &field, more > 2 ? "x" : AnyOf(Texts(), random));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
      reflection.AddDouble(&message, &field, i % 2 == 0 ? -1 : HUGE_VAL);
    }
  }
}

void MutateField(Message& message, const FieldDescriptor& field, std::mt19937_64& random) {
  if (field.is_repeated()) return MutateList(message, field, random);
  const Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    if (Draw(random, 9) == 0) return reflection.ClearField(&message, &field);
    return MutateMessage(*reflection.MutableMessage(&message, &field), random);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return reflection.SetString(&message, &field, AnyOf(Texts(), random));
  }
  SetNumber(message, field, random);
}

}  // namespace

std::string MutateFile(const std::string& file, std::mt19937_64& random) {
  if (absl::StartsWith(file, "PK")) return MutateZip(file, random);
  const bool safetensors = file.size() > kLengthBytes && file[kLengthBytes] == '{';
  return safetensors ? MutateSafetensors(file, random) : MutateBytes(file, random);
}

void MutateMessage(Message& message, std::mt19937_64& random) {
  const std::vector<const FieldDescriptor*> fields = FieldsOf(message);
  if (fields.empty()) return;
  for (int64_t i = Draw(random, 1); i >= 0; --i) {
    MutateField(message, *AnyOf(fields, random), random);
  }
}

}  // namespace acclimate::reliability
