// A pickle machine that builds plain values and tensors and calls nothing.
#ifndef ACCLIMATE_CORE_MODEL_UNPICKLER_H_
#define ACCLIMATE_CORE_MODEL_UNPICKLER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/strings/string_view.h"
#include "core/model/storage_source.h"

namespace acclimate::model {

struct PickleValue;
using PicklePointer = std::shared_ptr<PickleValue>;

// Containers may hold themselves: walk them with a bound on depth.
struct PickleValue {
  enum Kind { kPlain, kInteger, kString, kTuple, kList, kDict, kGlobal, kStorage, kTensor, kMark };
  Kind kind = kPlain;  // kPlain: None, numbers with a point, and objects that were not made
  int64_t integer = 0;
  std::string text;                  // of a string; "module name" of a global
  std::vector<PicklePointer> items;  // of a tuple or list; key, value, key, ... of a dict
  at::Tensor tensor;                 // of a tensor; all elements of a storage, or undefined
};

// One use an object. Throws std::runtime_error whose message names the byte.
class Unpickler {
 public:
  // `name` is that of the pickle in messages. `storages` must outlive the unpickler.
  Unpickler(std::string name, absl::string_view pickle, StorageSource& storages);
  ~Unpickler();
  Unpickler(const Unpickler&) = delete;
  Unpickler& operator=(const Unpickler&) = delete;

  // The object at the top when the pickle stops; it lives as long as the unpickler.
  const PickleValue& Run();
  // Names of the classes and functions that the pickle asked for and did not get.
  const std::map<std::string, int>& refused() const { return refused_; }
  // Bytes of the pickle that Run() took; others may follow it.
  size_t position() const { return position_; }

 private:
  using Kind = PickleValue::Kind;

  [[noreturn]] void Fail(const std::string& what) const;
  absl::string_view Take(uint64_t count);
  template <typename T>
  T Number();
  std::string Line();

  PicklePointer Make(Kind kind);
  void Push(PicklePointer value);
  PicklePointer Pop();
  const PicklePointer& Top();
  std::vector<PicklePointer> PopToMark();

  void PushInteger(int64_t value);
  void PushString(uint64_t size);
  void PushGlobal(const std::string& module, const std::string& name);
  void PushTuple(size_t size);
  void PushItems(Kind kind);
  void Remember(uint64_t slot);
  void Recall(uint64_t slot);
  void Append(const std::vector<PicklePointer>& items);
  void SetItems(const std::vector<PicklePointer>& items);

  // Each executes one opcode of its group, or returns false.
  bool StepControl(uint8_t opcode);
  bool StepScalar(uint8_t opcode);
  bool StepContainer(uint8_t opcode);
  bool StepObject(uint8_t opcode);
  void LongInteger();

  PicklePointer LoadStorage(const PickleValue& id);
  PicklePointer Reduce(const PickleValue& callee, const PickleValue& arguments);
  PicklePointer OrderedDict(const PickleValue& arguments);
  PicklePointer RebuildTensor(const PickleValue& arguments);

  const std::string name_;
  const absl::string_view pickle_;
  StorageSource& source_;
  size_t position_ = 0;
  std::vector<PicklePointer> stack_;
  std::unordered_map<uint64_t, PicklePointer> memo_;
  std::map<std::string, PicklePointer> storages_;
  std::vector<PicklePointer> made_;  // all values: cycles are cut from here at the end
  std::map<std::string, int> refused_;
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_UNPICKLER_H_
