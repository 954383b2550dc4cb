#include "core/model/legacy_pickle.h"

#include <ATen/ATen.h>

#include <cstring>
#include <exception>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/model/storage_source.h"
#include "core/model/unpickler.h"

namespace acclimate::model {
namespace {

// torch/serialization.py: MAGIC_NUMBER as pickle protocol 2 writes it, a LONG1 of ten bytes.
constexpr absl::string_view kMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
constexpr int64_t kProtocolVersion = 1001;

// Notes which storages there are, and makes none: their bytes come behind the pickle.
class NotedStorages : public StorageSource {
 public:
  absl::StatusOr<at::Tensor> Storage(const std::string& key, at::ScalarType type,
                                     int64_t elements) override {
    types_[key] = {type, elements};
    return at::Tensor();
  }
  const std::map<std::string, std::pair<at::ScalarType, int64_t>>& types() const { return types_; }

 private:
  std::map<std::string, std::pair<at::ScalarType, int64_t>> types_;
};

class FileStorages : public StorageSource {
 public:
  explicit FileStorages(std::shared_ptr<io::MappedFile> file) : file_(std::move(file)) {}

  void Add(const std::string& key, absl::string_view bytes) { bytes_[key] = bytes; }

  absl::StatusOr<at::Tensor> Storage(const std::string& key, at::ScalarType type,
                                     int64_t elements) override {
    const auto found = bytes_.find(key);
    if (found == bytes_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("storage ", key, " is missing"));
    }
    return StorageOf(found->second, key, type, elements, file_);
  }

 private:
  const std::shared_ptr<io::MappedFile> file_;
  std::map<std::string, absl::string_view> bytes_;
};

class LegacyReader {
 public:
  explicit LegacyReader(const std::shared_ptr<io::MappedFile>& file)
      : file_(file), rest_(file->bytes()), storages_(file) {}

  absl::StatusOr<SavedState> Read() {
    NotedStorages noted;
    rest_.remove_prefix(kMagic.size());
    Unpickler version("the version", rest_, noted);
    if (const PickleValue& value = version.Run();
        value.kind != PickleValue::kInteger || value.integer != kProtocolVersion) {
      return Refused("an unknown version of the form before PyTorch 1.6");
    }
    rest_.remove_prefix(version.position());
    Unpickler system("the description of the system", rest_, noted);
    system.Run();
    rest_.remove_prefix(system.position());
    const absl::string_view object = rest_;
    Unpickler first("the pickled object", object, noted);
    first.Run();
    rest_.remove_prefix(first.position());
    if (absl::Status status = FindStorages(noted); !status.ok()) return status;
    Unpickler second("the pickled object", object, storages_);
    const PickleValue& root = second.Run();
    absl::StatusOr<SavedState> state = FindStateDict(root, second.refused());
    if (!state.ok()) return Refused(state.status().message());
    state->warnings.push_back(
        "the file is of the form before PyTorch 1.6; the saved model is of the form since then, "
        "which torch.load reads from 1.6 on");
    return state;
  }

 private:
  absl::Status Refused(absl::string_view why) const {
    return absl::InvalidArgumentError(absl::StrCat(file_->name(), ": ", why));
  }

  // The list of keys, then for each the number of its elements (int64) and the elements.
  absl::Status FindStorages(NotedStorages& noted) {
    Unpickler keys("the list of storages", rest_, noted);
    const PickleValue& list = keys.Run();
    rest_.remove_prefix(keys.position());
    if (list.kind != PickleValue::kList) return Refused("no list of storages");
    for (const PicklePointer& key : list.items) {
      const auto type = noted.types().find(key->text);
      if (type == noted.types().end()) {
        return Refused(absl::StrCat("storage ", key->text, " belongs to no tensor"));
      }
      const auto [dtype, elements] = type->second;
      int64_t count = 0;
      if (rest_.size() < sizeof(count)) return Truncated();
      std::memcpy(&count, rest_.data(), sizeof(count));
      rest_.remove_prefix(sizeof(count));
      const uint64_t size = c10::elementSize(dtype);
      if (count < 0 || count != elements) {
        return Refused(absl::StrCat("storage ", key->text, " claims ", elements,
                                    " elements, but has ", count));
      }
      if (static_cast<uint64_t>(count) > rest_.size() / size) return Truncated();
      storages_.Add(key->text, rest_.substr(0, count * size));
      rest_.remove_prefix(count * size);
    }
    return absl::OkStatus();
  }

  absl::Status Truncated() const {
    return Refused(absl::StrCat("truncated: the weights end at byte ", file_->size()));
  }

  const std::shared_ptr<io::MappedFile> file_;
  absl::string_view rest_;
  FileStorages storages_;
};

}  // namespace

bool LooksLikeLegacyPickle(const io::MappedFile& file) {
  return absl::StartsWith(file.bytes(), kMagic);
}

absl::StatusOr<SavedState> ReadLegacyPickle(const std::shared_ptr<io::MappedFile>& file) {
  try {
    return LegacyReader(file).Read();
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(file->name(), ": ", error.what()));
  }
}

}  // namespace acclimate::model
