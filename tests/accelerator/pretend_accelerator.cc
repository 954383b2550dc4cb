#include "tests/accelerator/pretend_accelerator.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/InferSize.h>
#include <ATen/TensorUtils.h>
#include <ATen/core/GraphImplInterface.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/MTIAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace acclimate::testing {
namespace {

// The place of an accelerator that no build of ours has. (Not PrivateUse1, which is meant for such:
// LibTorch does not move modules to it in place.)
constexpr c10::DeviceType kType = c10::DeviceType::MTIA;
constexpr c10::DispatchKey kKey = c10::DispatchKey::MTIA;

c10::Device TheDevice() { return {kType, 0}; }

// --- Memory ---

void Free(void* memory) { std::free(memory); }

class DeviceAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const memory = bytes > 0 ? std::malloc(bytes) : nullptr;
    return {memory, memory, &Free, TheDevice()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const final {
    default_copy_data(to, from, bytes);
  }
};

std::mutex pinned_mutex;
std::set<const void*>& Pinned() {
  static auto* const pinned = new std::set<const void*>;
  return *pinned;
}

void Unpin(void* memory) {
  const std::lock_guard<std::mutex> lock(pinned_mutex);
  Pinned().erase(memory);
  std::free(memory);
}

class PinnedAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const memory = std::malloc(bytes > 0 ? bytes : 1);
    const std::lock_guard<std::mutex> lock(pinned_mutex);
    Pinned().insert(memory);
    return {memory, memory, &Unpin, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Unpin; }
  void copy_data(void* to, const void* from, size_t bytes) const final {
    default_copy_data(to, from, bytes);
  }
};

c10::Allocator* Memory() {
  static auto* const allocator = new DeviceAllocator;
  return allocator;
}

c10::Allocator* PinnedMemory() {
  static auto* const allocator = new PinnedAllocator;
  return allocator;
}

struct Hooks : at::MTIAHooksInterface {
  bool isBuilt() const override { return true; }
  bool hasMTIA() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  bool isPinnedPtr(const void* data) const override {
    const std::lock_guard<std::mutex> lock(pinned_mutex);
    return Pinned().count(data) > 0;
  }
  c10::Allocator* getPinnedMemoryAllocator() const override { return PinnedMemory(); }
  // The kernels are the CPU's, and so are their draws.
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
};

// --- Streams: everything is done at once, so that they only have to be told apart ---

thread_local c10::StreamId current_stream = 0;
std::atomic<c10::StreamId> last_stream = 0;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  static constexpr c10::DeviceType static_type = kType;
  Guard() = default;
  explicit Guard(c10::DeviceType) {}

  static c10::Stream Of(c10::StreamId id) {
    return c10::Stream(c10::Stream::UNSAFE, TheDevice(), id);
  }

  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device) const override { return TheDevice(); }
  c10::Device getDevice() const override { return TheDevice(); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Stream getStream(c10::Device) const noexcept override { return Of(current_stream); }
  c10::Stream getDefaultStream(c10::Device) const override { return Of(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override {
    return Of(++last_stream);
  }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override {
    return Of(std::exchange(current_stream, stream.id()));
  }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};

C10_REGISTER_GUARD_IMPL(MTIA, Guard)

// --- Graphs ---

using Stack = torch::jit::Stack;

// What a graph does again, in order.
struct Recorder : at::GraphImplInterface {
  explicit Recorder(const at::GraphImplArgs&) {}
  void capture_begin(c10::MempoolId_t, at::GraphCaptureMode) override {
    TORCH_CHECK(current_stream != 0, "a graph cannot record the default stream");
    generator_before = at::detail::getDefaultCPUGenerator().get_state();
    Current() = this;
  }
  void capture_end() override {
    if (Current() == nullptr) return;
    Current() = nullptr;
    for (auto undo = undos.rbegin(); undo != undos.rend(); ++undo) (*undo)();
    undos.clear();
    at::Generator(at::detail::getDefaultCPUGenerator()).set_state(generator_before);
  }
  void instantiate() override {}
  void replay() override {
    for (const std::function<void()>& operation : operations) operation();
  }
  void reset() override { operations.clear(); }
  c10::MempoolId_t pool() const override { return {0, 0}; }
  void enable_debug_mode() override {}
  void debug_dump(const std::string&) override {}

  // What `view` holds, to be put back: a graph that records leaves everything as it is.
  void Remember(const at::Tensor& view) {
    undos.push_back([view, before = view.clone()] { view.copy_(before); });
  }

  static Recorder*& Current() {
    static Recorder* current = nullptr;  // of all threads: gradients are computed in another
    return current;
  }

  std::vector<std::function<void()>> operations;
  std::vector<std::function<void()>> undos;  // of what ran for its shapes' sake while it recorded
  at::Tensor generator_before;
};

void RefuseWhileRecording(const char* what) {
  TORCH_CHECK(Recorder::Current() == nullptr, what, " is not permitted while a graph records");
}

// --- Operators ---

bool IsOurs(const at::Tensor& tensor) {
  return tensor.defined() && tensor.device().type() == kType;
}

// The same memory as a tensor on the CPU.
at::Tensor OnHost(const at::Tensor& tensor) {
  if (!IsOurs(tensor)) return tensor;
  return at::from_blob(
      const_cast<void*>(tensor.const_data_ptr()), tensor.sizes(), tensor.strides(),
      [tensor](void*) {}, tensor.options().device(c10::kCPU));
}

// The same memory as a tensor on the device.
at::Tensor OnDevice(const at::Tensor& tensor) {
  if (!tensor.defined() || IsOurs(tensor)) return tensor;
  const auto drop = [](void* kept) { delete static_cast<at::Tensor*>(kept); };
  c10::DataPtr data(const_cast<void*>(tensor.storage().data()), new at::Tensor(tensor), drop,
                    TheDevice());
  c10::Storage storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(), std::move(data),
                       Memory(), /*resizable=*/true);
  at::Tensor ours = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(kKey), tensor.dtype());
  ours.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                    tensor.storage_offset());
  return ours;
}

// Applies `change` to the tensors in `value`, alone or in a list.
c10::IValue Mapped(const c10::IValue& value, const std::function<at::Tensor(at::Tensor)>& change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(change(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
      list.push_back(tensor ? std::optional<at::Tensor>(change(*tensor)) : std::nullopt);
    }
    return list;
  }
  if (value.isDevice() && value.toDevice().type() == kType) return c10::Device(c10::kCPU);
  return value;
}

void CheckOneDevice(const c10::OperatorHandle& op, const Stack& arguments) {
  bool ours = false, others = false;
  for (const c10::IValue& argument : arguments) {
    Mapped(argument, [&](const at::Tensor& tensor) {
      ours |= IsOurs(tensor);
      others |= tensor.defined() && tensor.is_cpu() && tensor.dim() > 0;
      return tensor;
    });
  }
  TORCH_CHECK(!(ours && others), op.operator_name(),
              ": expected all tensors to be on the same device, but there are two");
}

bool Writes(const c10::FunctionSchema& schema, size_t argument) {
  // Its running statistics, of which the schema says nothing.
  if (schema.name() == "aten::native_batch_norm" && (argument == 3 || argument == 4)) return true;
  const c10::AliasInfo* const alias = schema.arguments()[argument].alias_info();
  return alias != nullptr && alias->isWrite();
}

// The operator to call on the host: convolutions of a device that LibTorch does not know have names
// of their own, and the backward one leaves out the shape of the bias.
c10::OperatorHandle HostsOwn(const c10::OperatorHandle& op, Stack& stack) {
  const auto find = [](const char* name) {
    return c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
  };
  if (op.schema().name() == "aten::convolution_overrideable") return find("aten::convolution");
  if (op.schema().name() != "aten::convolution_backward_overrideable") return op;
  stack.insert(stack.begin() + 3, std::vector<int64_t>{stack[2].toTensor().size(0)});
  return find("aten::convolution_backward");
}

void TakeOutputs(const c10::OperatorHandle& op, const Stack& arguments, const Stack& views) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!op.schema().arguments()[i].is_out() || !arguments[i].isTensor()) continue;
    const at::Tensor &ours = arguments[i].toTensor(), &view = views[i].toTensor();
    if (ours.sizes() != view.sizes()) ours.resize_(view.sizes());
    OnHost(ours).copy_(view);
  }
}

// Runs the operator on the host's views of `arguments`, and gives its results on the host.
Stack RunOnHost(const c10::OperatorHandle& op, const Stack& arguments) {
  Recorder* const recorder = Recorder::Current();
  Stack views;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const bool writes = Writes(op.schema(), i);
    views.push_back(Mapped(arguments[i], [&](const at::Tensor& tensor) {
      const at::Tensor view = OnHost(tensor);
      if (!writes || !view.defined()) return view;
      if (recorder != nullptr) recorder->Remember(view);
      // An output may have to grow, which borrowed memory cannot.
      return op.schema().arguments()[i].is_out() ? at::empty({0}, view.options()) : view;
    }));
  }
  Stack stack = views;
  const at::AutoDispatchBelowADInplaceOrView below;
  HostsOwn(op, stack).callBoxed(stack);
  TakeOutputs(op, arguments, views);
  return stack;
}

void Fallback(const c10::OperatorHandle& op, Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const Stack arguments = torch::jit::pop(*stack, schema.arguments().size());
  CheckOneDevice(op, arguments);
  Recorder* const recorder = Recorder::Current();
  const Stack results = RunOnHost(op, arguments);
  Stack given;
  for (size_t i = 0; i < results.size(); ++i) {
    // What was written to is given back as it came; the rest is new, or a view of what came.
    const c10::AliasInfo* const alias = schema.returns()[i].alias_info();
    c10::IValue result;
    if (alias != nullptr && alias->isWrite()) {
      for (size_t j = 0; j < arguments.size(); ++j) {
        if (schema.arguments()[j].alias_info() != nullptr &&
            *schema.arguments()[j].alias_info() == *alias) {
          result = arguments[j];
        }
      }
    } else {
      result = Mapped(results[i], &OnDevice);
    }
    given.push_back(result);
  }
  if (recorder != nullptr) {
    recorder->operations.push_back([op, arguments, given] {
      const Stack again = RunOnHost(op, arguments);
      for (size_t i = 0; i < again.size(); ++i) {
        if (op.schema().returns()[i].alias_info() != nullptr) continue;  // in place already
        std::vector<at::Tensor> to, from;
        Mapped(given[i],
               [&to](const at::Tensor& tensor) { return to.emplace_back(OnHost(tensor)); });
        Mapped(again[i], [&from](const at::Tensor& tensor) { return from.emplace_back(tensor); });
        for (size_t k = 0; k < to.size(); ++k) {
          if (to[k].defined()) to[k].copy_(from[k]);
        }
      }
    });
  }
  stack->insert(stack->end(), given.begin(), given.end());
}

at::Tensor Empty(c10::SymIntArrayRef sizes, std::optional<at::ScalarType> type,
                 std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(sizes), Memory(),
                                   c10::DispatchKeySet(kKey), type.value_or(at::kFloat), format);
}

at::Tensor EmptyStrided(c10::SymIntArrayRef sizes, c10::SymIntArrayRef strides,
                        std::optional<at::ScalarType> type, std::optional<at::Layout>,
                        std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(sizes),
                                           C10_AS_INTARRAYREF_SLOW(strides), Memory(),
                                           c10::DispatchKeySet(kKey), type.value_or(at::kFloat));
}

const at::Tensor& Resize(const at::Tensor& self, c10::SymIntArrayRef sizes,
                         std::optional<at::MemoryFormat>) {
  const at::IntArrayRef shape = C10_AS_INTARRAYREF_SLOW(sizes);
  c10::TensorImpl* const tensor = self.unsafeGetTensorImpl();
  const size_t bytes =
      (c10::multiply_integers(shape) + tensor->storage_offset()) * tensor->itemsize();
  const c10::Storage& storage = tensor->storage();
  if (bytes > storage.nbytes()) {
    c10::DataPtr larger = Memory()->allocate(bytes);
    if (storage.nbytes() > 0) std::memcpy(larger.get(), storage.data(), storage.nbytes());
    storage.unsafeGetStorageImpl()->set_data_ptr(std::move(larger));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
  tensor->set_sizes_contiguous(shape);
  return self;
}

at::Tensor AsStrided(const at::Tensor& self, c10::SymIntArrayRef sizes, c10::SymIntArrayRef strides,
                     std::optional<c10::SymInt> offset) {
  at::Tensor view = at::detail::make_tensor<c10::TensorImpl>(
      c10::TensorImpl::VIEW, c10::Storage(self.storage()), self.key_set(), self.dtype());
  view.unsafeGetTensorImpl()->set_sizes_and_strides(
      C10_AS_INTARRAYREF_SLOW(sizes), C10_AS_INTARRAYREF_SLOW(strides),
      offset ? offset->expect_int() : self.storage_offset());
  return view;
}

at::Tensor ReshapeAlias(const at::Tensor& self, c10::SymIntArrayRef sizes,
                        c10::SymIntArrayRef strides) {
  return AsStrided(self, sizes, strides, std::nullopt);
}

at::Tensor View(const at::Tensor& self, c10::SymIntArrayRef wanted) {
  const at::DimVector sizes = at::infer_size_dv(C10_AS_INTARRAYREF_SLOW(wanted), self.numel());
  const auto strides = at::detail::computeStride(self.sizes(), self.strides(), sizes);
  TORCH_CHECK(strides, "view size is not compatible with the tensor's size and stride");
  return ReshapeAlias(self, c10::fromIntArrayRefSlow(sizes), c10::fromIntArrayRefSlow(*strides));
}

at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  if (IsOurs(from) != IsOurs(to)) {
    const at::Tensor& host = IsOurs(from) ? to : from;
    if (!non_blocking || !host.is_pinned()) RefuseWhileRecording("a copy that waits");
  }
  const auto copy = [from, to] { OnHost(to).copy_(OnHost(from)); };
  if (Recorder* const recorder = Recorder::Current()) {
    recorder->Remember(OnHost(to));
    recorder->operations.push_back(copy);
  }
  copy();
  return to;
}

at::Tensor CopyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return CopyFrom(from, to, false);
}

at::Scalar LocalScalarDense(const at::Tensor& tensor) {
  RefuseWhileRecording("reading a value");
  return at::_local_scalar_dense(OnHost(tensor));
}

void RecordStream(at::Tensor&, c10::Stream) {}

TORCH_LIBRARY_IMPL(_, MTIA, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&Fallback>());
}

TORCH_LIBRARY_IMPL(aten, MTIA, m) {
  m.impl("empty.memory_format", &Empty);
  m.impl("empty_strided", &EmptyStrided);
  m.impl("resize_", &Resize);
  m.impl("as_strided", &AsStrided);
  m.impl("_reshape_alias", &ReshapeAlias);
  m.impl("view", &View);
  m.impl("_copy_from", &CopyFrom);
  m.impl("_copy_from_and_resize", &CopyFromAndResize);
  m.impl("_local_scalar_dense", &LocalScalarDense);
  m.impl("record_stream", &RecordStream);
  const auto fallback = [] { return torch::CppFunction::makeFromBoxedFunction<&Fallback>(); };
  m.impl("convolution_overrideable", fallback());  // LibTorch's own only fail
  m.impl("convolution_backward_overrideable", fallback());
}

// Before LibTorch asks for the first time, in whatever test.
const bool registered = [] {
  at::MTIAHooksRegistry()->Register("MTIAHooks", [] {
    return std::unique_ptr<at::MTIAHooksInterface>(std::make_unique<Hooks>());
  });
  at::GraphImplRegistry()->Register(
      c10::DeviceTypeName(kType, /*lower_case=*/false),
      [](at::GraphImplArgs args) -> std::unique_ptr<at::GraphImplInterface> {
        return std::make_unique<Recorder>(args);
      });
  c10::SetAllocator(kType, Memory());
  return true;
}();

}  // namespace

at::Device PretendAccelerator() {
  TORCH_CHECK(registered);
  return TheDevice();
}

}  // namespace acclimate::testing
