#include "core/inspect/file_description.h"

#include "absl/strings/match.h"
#include "core/data/npy.h"
#include "core/data/npz.h"
#include "core/data/pictures/picture_archive.h"
#include "core/data/table/csv_file.h"
#include "core/inspect/checkpoint_description.h"
#include "core/inspect/data_description.h"
#include "core/io/tensor_file.h"
#include "core/model/torch_archive.h"

namespace acclimate::inspect {
namespace {

using nlohmann::ordered_json;

bool HoldsArrays(const std::shared_ptr<io::MappedFile>& file) {
  const absl::StatusOr<model::TorchArchive> archive = model::TorchArchive::Open(file);
  if (!archive.ok()) return false;
  for (const std::string& name : archive->Names()) {
    if (absl::EndsWith(name, ".npy")) return true;
  }
  return archive->Names().empty();
}

// A state dict has no array of one of these names.
bool HoldsSamples(const std::shared_ptr<io::MappedFile>& file) {
  const absl::StatusOr<io::TensorFile> tensors = io::ReadSafetensors(file);
  if (!tensors.ok()) return false;
  for (const char* name : {"inputs", "labels", "values", "x", "X", "images", "data"}) {
    if (tensors->tensors.count(name) > 0) return true;
  }
  return false;
}

}  // namespace

FileKind KindOf(const std::shared_ptr<io::MappedFile>& file) {
  if (data::LooksLikeNpy(file->bytes())) return FileKind::kTensors;
  if (io::LooksLikeSafetensors(*file)) {
    return HoldsSamples(file) ? FileKind::kTensors : FileKind::kCheckpoint;
  }
  if (data::LooksLikeNpz(file->bytes()) && HoldsArrays(file)) return FileKind::kTensors;
  if (data::PictureArchive::Is(file)) return FileKind::kPictures;
  return data::LooksLikeCsv(file->bytes()) ? FileKind::kTable : FileKind::kCheckpoint;
}

ordered_json Describe(const std::shared_ptr<io::MappedFile>& file, const Question& question) {
  ordered_json description = {{"file", file->name()}, {"bytes", file->size()}};
  switch (KindOf(file)) {
    case FileKind::kCheckpoint:
      description.update(DescribeCheckpoint(file, question));
      break;
    case FileKind::kTensors:
      description.update(DescribeTensors(file));
      break;
    case FileKind::kTable:
      description.update(DescribeTable(file));
      break;
    case FileKind::kPictures:
      description.update(DescribePictures(file));
      break;
  }
  return description;
}

}  // namespace acclimate::inspect
