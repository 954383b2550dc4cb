#include "core/model/checkpoint_metadata.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/io/tensor_file.h"
#include "core/model/exported_program.h"
#include "core/model/script_model.h"
#include "core/model/torch_archive.h"
#include "nlohmann/json.hpp"

namespace acclimate::model {

absl::StatusOr<std::map<std::string, std::string>> ReadCheckpointMetadata(
    const std::shared_ptr<io::MappedFile>& file) {
  using Metadata = std::map<std::string, std::string>;
  if (io::LooksLikeSafetensors(*file)) {
    const absl::StatusOr<io::TensorFile> tensors = io::ReadSafetensors(file);
    if (!tensors.ok()) return tensors.status();
    return tensors->metadata;
  }
  if (!TorchArchive::LooksLikeZip(*file)) return Metadata();
  const absl::StatusOr<TorchArchive> archive = TorchArchive::Open(file);
  if (!archive.ok()) return archive.status();
  // TorchScript's extra files lie in a folder of their own.
  for (const std::string& record :
       {std::string(kExportedMetadataRecord), absl::StrCat("extra/", kMetadataRecord)}) {
    if (!archive->Has(record)) continue;
    const absl::StatusOr<absl::string_view> text = archive->Read(record);
    if (!text.ok()) return text.status();
    try {
      return nlohmann::json::parse(text->begin(), text->end()).get<Metadata>();
    } catch (const nlohmann::json::exception& error) {
      return absl::InvalidArgumentError(
          absl::StrCat(file->name(), ": its record ", record, " is damaged: ", error.what()));
    }
  }
  return Metadata();
}

}  // namespace acclimate::model
