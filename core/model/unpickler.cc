#include "core/model/unpickler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::model {
namespace {

constexpr size_t kMaxValues = 10'000'000;  // a state dict has some tens a tensor
constexpr size_t kMaxLineBytes = 4096;
constexpr uint8_t kStop = '.';

}  // namespace

Unpickler::Unpickler(std::string name, absl::string_view pickle, StorageSource& storages)
    : name_(std::move(name)), pickle_(pickle), source_(storages) {}

// A value may hold itself, and a long chain would be destroyed recursively: empty each one first.
Unpickler::~Unpickler() {
  for (const PicklePointer& value : made_) value->items.clear();
}

const PickleValue& Unpickler::Run() {
  for (;;) {
    const uint8_t opcode = Number<uint8_t>();
    if (opcode == kStop) return *Top();
    if (!StepControl(opcode) && !StepScalar(opcode) && !StepContainer(opcode) &&
        !StepObject(opcode)) {
      Fail(absl::StrCat("unknown opcode ", opcode));
    }
  }
}

void Unpickler::Fail(const std::string& what) const {
  throw std::runtime_error(absl::StrCat(name_, ", byte ", position_, ": ", what));
}

absl::string_view Unpickler::Take(uint64_t count) {
  if (pickle_.size() - position_ < count) Fail("the pickle ends early");
  const absl::string_view bytes = pickle_.substr(position_, count);
  position_ += count;
  return bytes;
}

template <typename T>
T Unpickler::Number() {
  T value;
  std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
  return value;
}

std::string Unpickler::Line() {
  const size_t end = pickle_.substr(position_, kMaxLineBytes).find('\n');
  if (end == absl::string_view::npos) Fail("a name without an end");
  const std::string line(Take(end));
  Take(1);
  return line;
}

PicklePointer Unpickler::Make(Kind kind) {
  if (made_.size() >= kMaxValues) Fail("too many values");
  auto value = std::make_shared<PickleValue>();
  value->kind = kind;
  made_.push_back(value);
  return value;
}

void Unpickler::Push(PicklePointer value) {
  if (stack_.size() >= kMaxValues) Fail("too many values");
  stack_.push_back(std::move(value));
}

PicklePointer Unpickler::Pop() {
  PicklePointer value = Top();
  stack_.pop_back();
  return value;
}

const PicklePointer& Unpickler::Top() {
  if (stack_.empty() || stack_.back()->kind == Kind::kMark) Fail("nothing on the stack");
  return stack_.back();
}

std::vector<PicklePointer> Unpickler::PopToMark() {
  const auto mark = std::find_if(stack_.rbegin(), stack_.rend(), [](const PicklePointer& value) {
    return value->kind == Kind::kMark;
  });
  if (mark == stack_.rend()) Fail("no mark on the stack");
  std::vector<PicklePointer> items(mark.base(), stack_.end());
  stack_.erase(mark.base() - 1, stack_.end());
  return items;
}

void Unpickler::PushInteger(int64_t number) {
  PicklePointer value = Make(Kind::kInteger);
  value->integer = number;
  Push(std::move(value));
}

void Unpickler::PushString(uint64_t size) {
  PicklePointer value = Make(Kind::kString);
  value->text = std::string(Take(size));
  Push(std::move(value));
}

void Unpickler::PushGlobal(const std::string& module, const std::string& name) {
  PicklePointer value = Make(Kind::kGlobal);
  value->text = absl::StrCat(module, ".", name);
  Push(std::move(value));
}

void Unpickler::PushTuple(size_t size) {
  PicklePointer value = Make(Kind::kTuple);
  for (size_t i = 0; i < size; ++i) value->items.push_back(Pop());
  std::reverse(value->items.begin(), value->items.end());
  Push(std::move(value));
}

void Unpickler::PushItems(Kind kind) {
  PicklePointer value = Make(kind);
  value->items = PopToMark();
  if (kind == Kind::kDict && value->items.size() % 2 != 0) Fail("a key without a value");
  Push(std::move(value));
}

void Unpickler::Remember(uint64_t slot) { memo_[slot] = Top(); }

void Unpickler::Recall(uint64_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) Fail(absl::StrCat("nothing remembered in slot ", slot));
  Push(found->second);
}

void Unpickler::Append(const std::vector<PicklePointer>& items) {
  PickleValue& list = *Top();
  if (list.kind == Kind::kList) list.items.insert(list.items.end(), items.begin(), items.end());
}

void Unpickler::SetItems(const std::vector<PicklePointer>& items) {
  if (items.size() % 2 != 0) Fail("a key without a value");
  PickleValue& dict = *Top();
  if (dict.kind == Kind::kDict) dict.items.insert(dict.items.end(), items.begin(), items.end());
}

bool Unpickler::StepControl(uint8_t opcode) {
  switch (opcode) {
    case 0x80:
      Take(1);
      return true;  // PROTO
    case 0x95:
      Take(8);
      return true;  // FRAME
    case '(':
      Push(Make(Kind::kMark));
      return true;  // MARK
    case '0':
      Pop();
      return true;  // POP
    case '1':
      PopToMark();
      return true;  // POP_MARK
    case '2':
      Push(Top());
      return true;  // DUP
    case 'q':
      Remember(Number<uint8_t>());
      return true;  // BINPUT
    case 'r':
      Remember(Number<uint32_t>());
      return true;  // LONG_BINPUT
    case 0x94:
      Remember(memo_.size());
      return true;  // MEMOIZE
    case 'h':
      Recall(Number<uint8_t>());
      return true;  // BINGET
    case 'j':
      Recall(Number<uint32_t>());
      return true;  // LONG_BINGET
    default:
      return false;
  }
}

bool Unpickler::StepScalar(uint8_t opcode) {
  switch (opcode) {
    case 'N':
      Push(Make(Kind::kPlain));
      return true;  // NONE
    case 0x88:
      PushInteger(1);
      return true;  // NEWTRUE
    case 0x89:
      PushInteger(0);
      return true;  // NEWFALSE
    case 'K':
      PushInteger(Number<uint8_t>());
      return true;  // BININT1
    case 'M':
      PushInteger(Number<uint16_t>());
      return true;  // BININT2
    case 'J':
      PushInteger(Number<int32_t>());
      return true;  // BININT
    case 0x8a:
      LongInteger();
      return true;  // LONG1
    case 'G':
      Take(8);
      Push(Make(Kind::kPlain));
      return true;  // BINFLOAT
    case 0x8c:      // SHORT_BINUNICODE
    case 'U':       // SHORT_BINSTRING
    case 'C':
      PushString(Number<uint8_t>());
      return true;  // SHORT_BINBYTES
    case 'X':       // BINUNICODE
    case 'T':       // BINSTRING
    case 'B':
      PushString(Number<uint32_t>());
      return true;  // BINBYTES
    default:
      return false;
  }
}

bool Unpickler::StepContainer(uint8_t opcode) {
  switch (opcode) {
    case ')':
      PushTuple(0);
      return true;  // EMPTY_TUPLE
    case 0x85:
      PushTuple(1);
      return true;  // TUPLE1
    case 0x86:
      PushTuple(2);
      return true;  // TUPLE2
    case 0x87:
      PushTuple(3);
      return true;  // TUPLE3
    case 't':
      PushItems(Kind::kTuple);
      return true;  // TUPLE
    case ']':
      Push(Make(Kind::kList));
      return true;  // EMPTY_LIST
    case 'l':
      PushItems(Kind::kList);
      return true;  // LIST
    case '}':
      Push(Make(Kind::kDict));
      return true;  // EMPTY_DICT
    case 'd':
      PushItems(Kind::kDict);
      return true;  // DICT
    case 0x8f:
      Push(Make(Kind::kPlain));
      return true;  // EMPTY_SET
    case 0x90:
      PopToMark();
      return true;  // ADDITEMS
    case 'a': {
      const auto item = Pop();
      Append({item});
      return true;
    }  // APPEND
    case 'e': {
      const auto items = PopToMark();
      Append(items);
      return true;
    }  // APPENDS
    case 's':
      PushTuple(2);
      {
        const auto pair = Pop();
        SetItems(pair->items);
      }
      return true;
    case 'u': {
      const auto items = PopToMark();
      SetItems(items);
      return true;
    }  // SETITEMS
    default:
      return false;
  }
}

bool Unpickler::StepObject(uint8_t opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      const std::string module = Line();
      PushGlobal(module, Line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const PicklePointer name = Pop(), module = Pop();
      PushGlobal(module->text, name->text);
      return true;
    }
    case 'Q': {  // BINPERSID
      const PicklePointer id = Pop();
      Push(LoadStorage(*id));
      return true;
    }
    case 'R': {  // REDUCE
      const PicklePointer arguments = Pop(), callee = Pop();
      Push(Reduce(*callee, *arguments));
      return true;
    }
    case 0x81: {  // NEWOBJ: an object that is not made
      Pop();
      ++refused_[Pop()->text];
      Push(Make(Kind::kPlain));
      return true;
    }
    case 'b':
      Pop();
      return true;  // BUILD: attributes of objects are dropped
    default:
      return false;
  }
}

void Unpickler::LongInteger() {
  const absl::string_view bytes = Take(Number<uint8_t>());
  if (bytes.size() > sizeof(int64_t)) {
    Push(Make(Kind::kPlain));
    return;
  }
  const bool negative = !bytes.empty() && (bytes.back() & 0x80) != 0;
  int64_t value = negative ? -1 : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  PushInteger(value);
}

PicklePointer Unpickler::LoadStorage(const PickleValue& id) {
  static const auto* kTypes = new std::map<std::string, at::ScalarType>{
      {"torch.FloatStorage", at::kFloat}, {"torch.DoubleStorage", at::kDouble},
      {"torch.HalfStorage", at::kHalf},   {"torch.BFloat16Storage", at::kBFloat16},
      {"torch.LongStorage", at::kLong},   {"torch.IntStorage", at::kInt},
      {"torch.ShortStorage", at::kShort}, {"torch.CharStorage", at::kChar},
      {"torch.ByteStorage", at::kByte},   {"torch.BoolStorage", at::kBool}};
  // ("module", class, file, source) in a whole module that was saved before PyTorch 1.6
  if (id.kind == Kind::kTuple && id.items.size() == 4 && id.items[0]->text == "module") {
    return id.items[1];
  }
  // ("storage", type, key, device, elements), and before PyTorch 1.6 a view of it or None
  const bool storage_id = id.kind == Kind::kTuple &&
                          (id.items.size() == 5 || id.items.size() == 6) &&
                          id.items[0]->text == "storage" && id.items[1]->kind == Kind::kGlobal &&
                          id.items[4]->kind == Kind::kInteger;
  if (!storage_id) Fail("not a storage");
  if (id.items.size() == 6 && id.items[5]->kind != Kind::kPlain) {
    Fail("a view of a storage, as PyTorch wrote before 0.4");
  }
  const auto type = kTypes->find(id.items[1]->text);
  if (type == kTypes->end()) Fail(absl::StrCat("unknown storage type ", id.items[1]->text));
  const std::string& key = id.items[2]->text;
  PicklePointer& storage = storages_[key];
  if (storage == nullptr) {
    absl::StatusOr<at::Tensor> elements = source_.Storage(key, type->second, id.items[4]->integer);
    if (!elements.ok()) Fail(std::string(elements.status().message()));
    storage = Make(Kind::kStorage);
    storage->tensor = *std::move(elements);
  }
  if (!storage->tensor.defined()) return storage;
  if (storage->tensor.scalar_type() != type->second) {
    Fail(absl::StrCat("storage ", key, " is read as two types"));
  }
  return storage;
}

PicklePointer Unpickler::Reduce(const PickleValue& callee, const PickleValue& arguments) {
  if (arguments.kind != Kind::kTuple) Fail("arguments are not a tuple");
  const std::string name = callee.kind == Kind::kGlobal ? callee.text : "";
  if (name == "collections.OrderedDict") return OrderedDict(arguments);
  if (name == "torch._utils._rebuild_tensor_v2") return RebuildTensor(arguments);
  const bool wraps = name == "torch._utils._rebuild_parameter";
  if (wraps && !arguments.items.empty() && arguments.items[0]->kind == Kind::kTensor) {
    return arguments.items[0];
  }
  ++refused_[name];
  return Make(Kind::kPlain);
}

PicklePointer Unpickler::OrderedDict(const PickleValue& arguments) {
  PicklePointer dict = Make(Kind::kDict);
  if (arguments.items.empty()) return dict;
  for (const PicklePointer& pair : arguments.items[0]->items) {
    if (pair->items.size() != 2) Fail("a key without a value");
    dict->items.insert(dict->items.end(), pair->items.begin(), pair->items.end());
  }
  return dict;
}

// (storage, offset, shape, stride, requires_grad, hooks): each element must lie in the storage, and
// there may not be more of them than it has, as a stride of zero would allow.
PicklePointer Unpickler::RebuildTensor(const PickleValue& arguments) {
  constexpr size_t kMaxDimensions = 16;
  const auto& items = arguments.items;
  if (items.size() < 4 || items[0]->kind != Kind::kStorage || items[1]->kind != Kind::kInteger ||
      items[1]->integer < 0 || items[2]->kind != Kind::kTuple || items[3]->kind != Kind::kTuple ||
      items[2]->items.size() != items[3]->items.size() || items[2]->items.size() > kMaxDimensions) {
    Fail("not a tensor");
  }
  std::vector<int64_t> shape, strides;
  for (size_t i = 0; i < items[2]->items.size(); ++i) {
    const PickleValue &extent = *items[2]->items[i], &stride = *items[3]->items[i];
    if (extent.kind != Kind::kInteger || stride.kind != Kind::kInteger || extent.integer < 0 ||
        stride.integer < 0) {
      Fail("bad tensor shape");
    }
    shape.push_back(extent.integer);
    strides.push_back(stride.integer);
  }
  PicklePointer tensor = Make(Kind::kTensor);
  if (!items[0]->tensor.defined()) return tensor;
  const int64_t available = items[0]->tensor.numel();
  int64_t last = items[1]->integer, count = 1;
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  for (size_t i = 0; i < shape.size() && !empty; ++i) {
    int64_t reach;
    if (__builtin_mul_overflow(shape[i] - 1, strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last) ||
        __builtin_mul_overflow(count, shape[i], &count)) {
      Fail("a tensor too large");
    }
  }
  if (!empty && (last >= available || count > available)) Fail("a tensor outside its storage");
  tensor->tensor = empty ? at::empty(shape, items[0]->tensor.options())
                         : items[0]->tensor.as_strided(shape, strides, items[1]->integer);
  return tensor;
}

}  // namespace acclimate::model
