#include "core/model/pickle_writer.h"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>

#include <cstdint>
#include <exception>
#include <limits>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/io/atomic_file.h"

namespace acclimate::model {
namespace {

// The few opcodes of pickle protocol 2 that a state dict needs. A tensor is pickled as
// torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks), its
// storage as the persistent id ("storage", type, key, device, elements).
class StateDictPickler {
 public:
  explicit StateDictPickler(const std::vector<std::string>& keys) : depth_(keys.size()) {
    bytes_ = "\x80\x02";  // PROTO 2
    for (const std::string& key : keys) {
      bytes_ += '}';  // EMPTY_DICT
      String(key);
    }
    bytes_ += "}(";  // EMPTY_DICT, MARK
  }

  // `key` names the record that holds the bytes of the contiguous `tensor`.
  void Add(const std::string& name, const at::Tensor& tensor, const std::string& key) {
    String(name);
    Global("torch._utils", "_rebuild_tensor_v2");
    bytes_ += '(';
    bytes_ += '(';
    String("storage");
    Global("torch", absl::StrCat(c10::toString(tensor.scalar_type()), "Storage"));
    String(key);
    String("cpu");
    Integer(tensor.numel());
    bytes_ += "tQ";  // TUPLE, BINPERSID
    Integer(0);
    Integers(tensor.sizes());
    Integers(tensor.strides());
    bytes_ += '\x89';  // NEWFALSE
    Global("collections", "OrderedDict");
    bytes_ += ")R";  // EMPTY_TUPLE, REDUCE
    bytes_ += "tR";  // TUPLE, REDUCE
  }

  // SETITEMS, a SETITEM for each nested dictionary, STOP.
  std::string Finish() { return absl::StrCat(bytes_, "u", std::string(depth_, 's'), "."); }

 private:
  void LittleEndian(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  }
  void String(absl::string_view text) {
    bytes_ += 'X';
    LittleEndian(text.size(), 4);
    absl::StrAppend(&bytes_, text);
  }
  void Global(absl::string_view module, absl::string_view name) {
    absl::StrAppend(&bytes_, "c", module, "\n", name, "\n");
  }
  void Integer(int64_t value) {
    if (value <= std::numeric_limits<int32_t>::max()) {
      bytes_ += 'J';
      LittleEndian(static_cast<uint64_t>(value), 4);
    } else {
      bytes_ += "\x8a\x08";  // LONG1 of eight bytes
      LittleEndian(static_cast<uint64_t>(value), 8);
    }
  }
  void Integers(at::IntArrayRef values) {
    bytes_ += '(';
    for (const int64_t value : values) Integer(value);
    bytes_ += 't';
  }

  const size_t depth_;
  std::string bytes_;
};

void WriteArchive(const std::map<std::string, at::Tensor>& state,
                  const std::vector<std::string>& keys,
                  caffe2::serialize::PyTorchStreamWriter* archive) {
  StateDictPickler pickler(keys);
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : state) {
    const std::string key = absl::StrCat(tensors.size());
    tensors.push_back(tensor.detach().cpu().contiguous());
    pickler.Add(name, tensors.back(), key);
  }
  const std::string pickle = pickler.Finish();
  archive->writeRecord("data.pkl", pickle.data(), pickle.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    archive->writeRecord(absl::StrCat("data/", i), tensors[i].data_ptr(), tensors[i].nbytes());
  }
  archive->writeEndOfFile();
}

}  // namespace

absl::Status WritePickle(const std::string& path, const std::map<std::string, at::Tensor>& state,
                         const std::vector<std::string>& keys) {
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  absl::Status status;
  try {
    caffe2::serialize::PyTorchStreamWriter archive([&](const void* data, size_t size) -> size_t {
      if (status.ok()) status = file->Write({static_cast<const char*>(data), size});
      return status.ok() ? size : 0;
    });
    WriteArchive(state, keys, &archive);
  } catch (const std::exception& error) {
    if (status.ok()) status = absl::InternalError(absl::StrCat("cannot save: ", error.what()));
  }
  return status.ok() ? file->Commit() : status;
}

}  // namespace acclimate::model
