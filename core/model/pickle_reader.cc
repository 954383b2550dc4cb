#include "core/model/pickle_reader.h"

#include <ATen/ATen.h>

#include <exception>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/model/storage_source.h"
#include "core/model/unpickler.h"

namespace acclimate::model {
namespace {

// One record a storage.
class ArchiveStorages : public StorageSource {
 public:
  explicit ArchiveStorages(const TorchArchive& archive) : archive_(archive) {}

  absl::StatusOr<at::Tensor> Storage(const std::string& key, at::ScalarType type,
                                     int64_t elements) override {
    const absl::StatusOr<absl::string_view> bytes = archive_.Read(absl::StrCat("data/", key));
    if (!bytes.ok()) return bytes.status();
    return StorageOf(*bytes, key, type, elements, archive_.file());
  }

 private:
  const TorchArchive& archive_;
};

}  // namespace

absl::StatusOr<SavedState> ReadPickle(const TorchArchive& archive) {
  const absl::StatusOr<absl::string_view> pickle = archive.Read("data.pkl");
  if (!pickle.ok()) return pickle.status();
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(archive.file()->name(), ": ", why));
  };
  try {
    ArchiveStorages storages(archive);
    Unpickler unpickler("data.pkl", *pickle, storages);
    const PickleValue& root = unpickler.Run();
    absl::StatusOr<SavedState> state = FindStateDict(root, unpickler.refused());
    if (!state.ok()) return refuse(state.status().message());
    return state;
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}

}  // namespace acclimate::model
