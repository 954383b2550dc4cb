#include "core/model/exported_archive.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace acclimate::model {
namespace {

constexpr char kFormatRecord[] = "archive_format";
constexpr char kFormat[] = "pt2";
constexpr char kVersionRecord[] = "archive_version";
constexpr char kVersion[] = "0";
constexpr char kByteOrderRecord[] = "byteorder";
constexpr char kPrograms[] = "models/";
constexpr char kWeights[] = "data/weights/";
constexpr char kConstants[] = "data/constants/";
// Of torch.export before the archive had its present form.
constexpr char kOldProgramRecord[] = "serialized_exported_program.json";
constexpr size_t kMaxDimensions = 64;  // as in PyTorch

[[noreturn]] void Refuse(const std::string& sentence) { throw std::runtime_error(sentence); }

std::string RecordText(const TorchArchive& archive, const std::string& record) {
  const absl::StatusOr<absl::string_view> bytes = archive.Read(record);
  if (!bytes.ok()) Refuse(std::string(bytes.status().message()));
  return std::string(*bytes);
}

// Archives can hold several programs; torch.export.save writes one.
std::string OnlyProgram(const TorchArchive& archive) {
  std::vector<std::string> names;
  for (const std::string& record : archive.Names()) {
    absl::string_view name = record;
    if (absl::ConsumePrefix(&name, kPrograms) && absl::ConsumeSuffix(&name, ".json")) {
      names.emplace_back(name);
    }
  }
  if (names.size() == 1) return names[0];
  if (names.empty()) {
    Refuse(
        "the archive holds no program of torch.export (models/model.json); compiled code "
        "(AOTInductor) is not read");
  }
  Refuse(absl::StrCat("the archive holds ", names.size(), " programs (", absl::StrJoin(names, ", "),
                      "); wanted is one"));
}

std::vector<int64_t> Integers(const StrictJson& list, const std::string& name) {
  std::vector<int64_t> integers;
  for (const StrictJson& item : list.Items()) {
    const auto [kind, value] = item.Choice();
    if (kind != "as_int") {
      Refuse(absl::StrCat("tensor \"", name, "\" has a symbolic size; wanted are numbers"));
    }
    integers.push_back(value.Integer());
  }
  return integers;
}

// Bytes up to the end of the last element, and at least those of all elements: a small record must
// not become a large tensor (a stride of 0). Refuses what does not fit 64 bits.
int64_t BytesNeeded(const std::string& name, const TensorPlace& place) {
  int64_t last = place.offset;
  bool empty = false, sound = place.offset >= 0 && place.sizes.size() == place.strides.size() &&
                              place.sizes.size() <= kMaxDimensions;
  for (size_t i = 0; sound && i < place.sizes.size(); ++i) {
    int64_t steps;
    sound = place.sizes[i] >= 0 && place.strides[i] >= 0 &&
            !__builtin_mul_overflow(std::max<int64_t>(place.sizes[i] - 1, 0), place.strides[i],
                                    &steps) &&
            !__builtin_add_overflow(last, steps, &last);
    empty |= place.sizes[i] == 0;
  }
  int64_t elements = 1, bytes = 0;
  for (size_t i = 0; sound && !empty && i < place.sizes.size(); ++i) {
    sound = !__builtin_mul_overflow(elements, place.sizes[i], &elements);
  }
  sound = sound && !__builtin_add_overflow(last, 1, &last) &&
          !__builtin_mul_overflow(std::max(last, elements),
                                  static_cast<int64_t>(at::elementSize(place.dtype)), &bytes);
  if (!sound) {
    Refuse(absl::StrCat("tensor \"", name, "\" has the impossible shape [",
                        absl::StrJoin(place.sizes, ", "), "] with strides [",
                        absl::StrJoin(place.strides, ", "), "] and offset ", place.offset));
  }
  return empty ? 0 : bytes;
}

}  // namespace

at::ScalarType ExportedDtype(int64_t number) {
  static const auto* kDtypes = new std::map<int64_t, at::ScalarType>{
      {1, at::kByte},        {2, at::kChar},          {3, at::kShort},          {4, at::kInt},
      {5, at::kLong},        {6, at::kHalf},          {7, at::kFloat},          {8, at::kDouble},
      {9, at::kComplexHalf}, {10, at::kComplexFloat}, {11, at::kComplexDouble}, {12, at::kBool},
      {13, at::kBFloat16}};
  const auto found = kDtypes->find(number);
  if (found == kDtypes->end()) {
    Refuse(absl::StrCat("dtype number ", number, " is unknown; wanted is one of 1 to 13"));
  }
  return found->second;
}

bool ExportedArchive::Is(const TorchArchive& archive) {
  return archive.Has(kFormatRecord) || archive.Has(kOldProgramRecord);
}

ExportedArchive::ExportedArchive(TorchArchive archive) : archive_(std::move(archive)) {
  if (archive_.Has(kOldProgramRecord)) {
    Refuse(
        "the program is saved in the form of an older PyTorch; load it there and save it again "
        "with torch.export.save of PyTorch 2.9 or newer");
  }
  const std::string format = RecordText(archive_, kFormatRecord);
  const std::string version = RecordText(archive_, kVersionRecord);
  if (format != kFormat || version != kVersion) {
    Refuse(absl::StrCat("the archive says format \"", format.substr(0, 20), "\", version \"",
                        version.substr(0, 20), "\"; wanted is \"", kFormat, "\", version \"",
                        kVersion, "\""));
  }
  if (archive_.Has(kByteOrderRecord) && RecordText(archive_, kByteOrderRecord) != "little") {
    Refuse("the archive's byte order is not \"little\"");
  }
  model_ = OnlyProgram(archive_);
  if (archive_.Has(absl::StrCat(kWeights, model_, ".pt"))) {
    Refuse(absl::StrCat("the weights are pickled (record ", kWeights, model_,
                        ".pt), as an older PyTorch did; save the program again with "
                        "torch.export.save of PyTorch 2.9 or newer"));
  }
  ReadPlaces(kWeights, absl::StrCat(model_, "_weights_config.json"), &weights_);
  ReadPlaces(kConstants, absl::StrCat(model_, "_constants_config.json"), &constants_);
}

nlohmann::json ExportedArchive::Program() const {
  const std::string record = absl::StrCat(kPrograms, model_, ".json");
  return StrictJson::Parse(RecordText(archive_, record), record);
}

void ExportedArchive::ReadPlaces(const std::string& folder, const std::string& config,
                                 std::map<std::string, TensorPlace>* places) const {
  const std::string record = folder + config;
  const nlohmann::json document = StrictJson::Parse(RecordText(archive_, record), record);
  for (const auto& [name, entry] : StrictJson(document)["config"].Members()) {
    if (entry["use_pickle"].Flag()) {
      Refuse(absl::StrCat("\"", name,
                          "\" is stored as a Python pickle, which is not read; wanted "
                          "is a plain tensor"));
    }
    const StrictJson meta = entry["tensor_meta"];
    const auto [kind, offset] = meta["storage_offset"].Choice();
    TensorPlace place{folder + entry["path_name"].Text(),
                      ExportedDtype(meta["dtype"].Integer()),
                      Integers(meta["sizes"], name),
                      Integers(meta["strides"], name),
                      kind == "as_int" ? offset.Integer() : -1,
                      meta["requires_grad"].Flag()};
    places->emplace(name, std::move(place));
  }
}

at::Tensor ExportedArchive::RecordBytes(const std::string& record) const {
  const absl::StatusOr<absl::string_view> bytes = archive_.Read(record);
  if (!bytes.ok()) Refuse(std::string(bytes.status().message()));
  at::Tensor copy = at::empty({static_cast<int64_t>(bytes->size())}, at::kByte);
  if (!bytes->empty()) std::memcpy(copy.data_ptr(), bytes->data(), bytes->size());
  return copy;
}

at::Tensor ExportedArchive::ViewOf(const at::Tensor& bytes, const std::string& name,
                                   const TensorPlace& place) {
  const int64_t needed = BytesNeeded(name, place);
  const int64_t element = static_cast<int64_t>(at::elementSize(place.dtype));
  if (needed > bytes.numel()) {
    Refuse(absl::StrCat("tensor \"", name, "\" of shape [", absl::StrJoin(place.sizes, ", "),
                        "] needs ", needed, " bytes, but its record ", place.record, " has ",
                        bytes.numel()));
  }
  const int64_t whole = bytes.numel() / element;
  return bytes.narrow(0, 0, whole * element)
      .view(place.dtype)
      .as_strided(place.sizes, place.strides, needed == 0 ? 0 : place.offset);
}

at::Tensor ExportedArchive::Read(const std::string& name, const TensorPlace& place) const {
  const absl::StatusOr<absl::string_view> bytes = archive_.Read(place.record);
  if (!bytes.ok()) Refuse(std::string(bytes.status().message()));
  char* const data = const_cast<char*>(bytes->data());  // only read from
  const bool aligned = reinterpret_cast<uintptr_t>(data) % at::elementSize(place.dtype) == 0;
  const at::Tensor mapped =
      aligned ? at::from_blob(data, {static_cast<int64_t>(bytes->size())}, at::kByte)
              : RecordBytes(place.record);
  return ViewOf(mapped, name, place).clone();
}

}  // namespace acclimate::model
