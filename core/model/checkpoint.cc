#include "core/model/checkpoint.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/script.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <map>
#include <new>
#include <stdexcept>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/io/tensor_file.h"
#include "core/model/architectures.h"
#include "core/model/attention.h"
#include "core/model/exported_program.h"
#include "core/model/legacy_pickle.h"
#include "core/model/operator_policy.h"
#include "core/model/packed_inputs.h"
#include "core/model/pickle_reader.h"
#include "core/model/saved_state.h"
#include "core/model/script_code.h"
#include "core/model/script_model.h"
#include "core/model/shape_probe.h"
#include "core/model/torch_archive.h"
#include "nlohmann/json.hpp"

namespace acclimate::model {
namespace {

using Notes = std::map<std::string, std::string>;
using StateDict = std::map<std::string, at::Tensor>;
using Shape = std::vector<int64_t>;

// LibTorch reads the archive where it is mapped.
class MappedFileReader : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MappedFileReader(std::shared_ptr<io::MappedFile> file) : file_(std::move(file)) {}
  size_t size() const override { return file_->size(); }
  size_t read(uint64_t position, void* buffer, size_t count, const char*) const override {
    if (position >= file_->size()) return 0;
    const size_t available = std::min<size_t>(count, file_->size() - position);
    std::memcpy(buffer, file_->data() + position, available);
    return available;
  }

 private:
  std::shared_ptr<io::MappedFile> file_;
};

// Whatever LibTorch's reader throws, a damaged archive is the reason.
absl::StatusOr<torch::jit::Module> ReadModule(const TorchArchive& archive,
                                              torch::jit::ExtraFilesMap& extra_files) {
  const auto file = std::make_shared<MappedFileReader>(archive.file());
  try {
    if (absl::Status status = CheckScriptCode(file); !status.ok()) return status;
    return torch::jit::load(file, at::Device(at::kCPU), extra_files);
  } catch (const std::logic_error& error) {
    return absl::InvalidArgumentError(ReasonOf(error));
  }
}

absl::StatusOr<std::unique_ptr<Model>> LoadTorchScript(const TorchArchive& archive,
                                                       const LoadOptions& options) {
  torch::jit::ExtraFilesMap extra_files{{kMetadataRecord, ""}};
  absl::StatusOr<torch::jit::Module> module = ReadModule(archive, extra_files);
  if (!module.ok()) return module.status();
  absl::StatusOr<std::unique_ptr<Model>> model =
      ScriptModel::Create(*std::move(module), {CheckpointForm::kTorchScript, "", {}},
                          options.logits_only ? Split::kWherePossible : Split::kRequired);
  if (!model.ok()) return model.status();
  const std::string& text = extra_files[kMetadataRecord];
  if (!text.empty()) (*model)->metadata() = nlohmann::json::parse(text).get<Notes>();
  return model;
}

// A program that was exported without a name for its batch dimension may have the size of its one
// batch written into it.
absl::Status CheckBatchSize(Model* model, const ExportedProgram& program, Shape sample_shape) {
  if (!program.fixed_batch) return absl::OkStatus();
  const Shape& exported = program.input_shape;
  if (sample_shape.empty() && !exported.empty()) {
    sample_shape.assign(exported.begin() + 1, exported.end());
    const auto inputs = static_cast<int64_t>(program.inputs.size());
    if (inputs > 1) sample_shape.insert(sample_shape.begin(), inputs);
  }
  const int64_t fixed = exported.empty() ? kProbeSamples : exported[0];
  const absl::Status any = ProbeShape(*model, sample_shape, fixed);
  if (!any.ok()) return any;
  if (ProbeShape(*model, sample_shape, fixed + 1).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the program was exported for batches of exactly ", fixed,
                   " samples; export it with a named batch dimension, as in dynamic_shapes=({0: "
                   "torch.export.Dim(\"batch\")},)"));
}

absl::StatusOr<std::unique_ptr<Model>> LoadExported(TorchArchive archive,
                                                    const LoadOptions& options) {
  const std::string file = archive.file()->name();
  absl::StatusOr<ExportedProgram> program = ReadExportedProgram(std::move(archive));
  if (!program.ok()) return program.status();
  if (absl::Status status = CheckOperators(*program->module._ivalue()->compilation_unit());
      !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", status.message()));
  }
  Origin origin{CheckpointForm::kExportedProgram, "", {}, program->archive, program->warnings};
  origin.inputs = program->inputs;
  absl::StatusOr<std::unique_ptr<Model>> model =
      ScriptModel::Create(std::move(program->module), std::move(origin));
  if (!model.ok()) return model.status();
  absl::Status status = CheckBatchSize(model->get(), *program, options.sample_shape);
  if (!status.ok()) return status;
  const TorchArchive& records = program->archive->archive();
  if (!records.Has(kExportedMetadataRecord)) return model;
  const absl::StatusOr<absl::string_view> notes = records.Read(kExportedMetadataRecord);
  if (!notes.ok()) return notes.status();
  (*model)->metadata() = StrictJson::Parse(*notes, kExportedMetadataRecord).get<Notes>();
  return model;
}

absl::StatusOr<Shape> ShapeIn(const Notes& notes, const LoadOptions& options) {
  const auto noted = notes.find("sample_shape");
  if (noted == notes.end()) return options.sample_shape;
  Shape shape;
  for (absl::string_view size : absl::StrSplit(noted->second, ',', absl::SkipEmpty())) {
    if (!absl::SimpleAtoi(size, &shape.emplace_back())) {
      return absl::InvalidArgumentError(
          absl::StrCat("metadata sample_shape: \"", noted->second, "\" is not a shape"));
    }
  }
  return shape;
}

// The architecture's parameters are named as torchvision's: its head is "fc".
absl::StatusOr<int64_t> ClassesIn(const StateDict& state) {
  const auto head = state.find("fc.weight");
  if (head == state.end() || head->second.dim() != 2) {
    constexpr size_t kNamed = 4;
    std::vector<std::string> names;
    for (const auto& [name, tensor] : state) {
      if (names.size() < kNamed) names.push_back(name);
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "the state dict has no classifier weight \"fc.weight\" of two dimensions, which every "
        "built-in architecture has; its names begin with ",
        absl::StrJoin(names, ", "),
        ": give the model with its code, torch.jit.script(model).save(FILE)"));
  }
  return head->second.size(0);
}

std::string MissingArchitecture(const SavedState& state) {
  const std::vector<std::string> fitting = ArchitecturesNamed(state.tensors);
  return absl::StrCat(
      "a state dict needs the name of its architecture: ",
      fitting.empty()
          ? absl::StrJoin(ArchitectureNames(), ", ") +
                ", or give the model with its code, torch.jit.script(model).save(FILE)"
          : absl::StrCat("by the names of its tensors it is ", absl::StrJoin(fitting, " or ")));
}

absl::StatusOr<std::unique_ptr<Model>> LoadState(SavedState state, const Notes& notes,
                                                 const LoadOptions& options, CheckpointForm form) {
  TakePrefixOff(state);
  std::string architecture = options.architecture;
  const auto noted = notes.find("architecture");
  if (architecture.empty() && noted != notes.end()) architecture = noted->second;
  if (architecture.empty()) return absl::InvalidArgumentError(MissingArchitecture(state));
  const absl::StatusOr<Shape> shape = ShapeIn(notes, options);
  if (!shape.ok()) return shape.status();
  const absl::StatusOr<int64_t> classes = ClassesIn(state.tensors);
  if (!classes.ok()) return classes.status();
  state.form.types = OtherFloatTypes(state.tensors);
  absl::StatusOr<std::unique_ptr<Model>> model = BuildArchitecture(
      {architecture, *shape, *classes}, form, std::move(state.form), std::move(state.warnings));
  if (!model.ok()) return model.status();
  if (absl::Status status = (*model)->LoadStateDict(state.tensors); !status.ok()) return status;
  (*model)->metadata() = notes;
  return model;
}

// A zip archive that is neither a program nor TorchScript of today.
absl::StatusOr<std::unique_ptr<Model>> LoadPickled(const TorchArchive& archive,
                                                   const LoadOptions& options) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(archive.file()->name(), ": ", why));
  };
  if (archive.Has("model.json")) {
    return refuse(
        "TorchScript of PyTorch 1.1 or older; save it again with a newer one, "
        "torch.jit.load(FILE).save(\"model.pt\")");
  }
  if (!archive.Has("data.pkl")) {
    for (const std::string& name : archive.Names()) {
      if (absl::EndsWith(name, ".npy")) return refuse("an npz file of arrays, not a model");
    }
    return refuse("a zip archive that holds no model: it has neither constants.pkl nor data.pkl");
  }
  absl::StatusOr<SavedState> state = ReadPickle(archive);
  if (!state.ok()) return state.status();
  return LoadState(*std::move(state), {}, options, CheckpointForm::kPickle);
}

absl::Status UnknownForm(const io::MappedFile& file) {
  const bool pickle = file.size() > 2 && file.data()[0] == 0x80 && file.data()[1] <= 5;
  const bool hdf5 = absl::StartsWith(file.bytes(), "\x89HDF");
  return absl::InvalidArgumentError(absl::StrCat(
      file.name(),
      pickle ? ": a pickle that torch.save has not written; torch.save(model.state_dict(), "
               "\"model.pth\") makes a checkpoint"
      : hdf5 ? ": an HDF5 file, as Keras writes them; a checkpoint is TorchScript, .pt2, "
               "safetensors or a .pth file"
             : ": neither TorchScript, .pt2, safetensors nor a .pth file"));
}

absl::StatusOr<std::unique_ptr<Model>> LoadAnyForm(std::shared_ptr<io::MappedFile> file,
                                                   const LoadOptions& options) {
  RegisterAttention();
  if (io::LooksLikeSafetensors(*file)) {
    absl::StatusOr<io::TensorFile> tensors = io::ReadSafetensors(file);
    if (!tensors.ok()) return tensors.status();
    return LoadState({std::move(tensors->tensors), {}, {}}, tensors->metadata, options,
                     CheckpointForm::kSafetensors);
  }
  if (LooksLikeLegacyPickle(*file)) {
    absl::StatusOr<SavedState> state = ReadLegacyPickle(file);
    if (!state.ok()) return state.status();
    return LoadState(*std::move(state), {}, options, CheckpointForm::kPickle);
  }
  if (!TorchArchive::LooksLikeZip(*file)) return UnknownForm(*file);
  absl::StatusOr<TorchArchive> archive = TorchArchive::Open(file);
  if (!archive.ok()) return archive.status();
  if (ExportedArchive::Is(*archive)) return LoadExported(*std::move(archive), options);
  if (archive->Has("constants.pkl")) return LoadTorchScript(*archive, options);
  return LoadPickled(*archive, options);
}

absl::StatusOr<std::vector<ModelInput>> InputsInAnyForm(
    const std::shared_ptr<io::MappedFile>& file) {
  RegisterAttention();
  std::vector<ModelInput> numbers(1);
  numbers[0].name = "inputs";
  if (!TorchArchive::LooksLikeZip(*file)) return numbers;
  absl::StatusOr<TorchArchive> archive = TorchArchive::Open(file);
  if (!archive.ok()) return archive.status();
  if (ExportedArchive::Is(*archive)) {
    absl::StatusOr<ExportedProgram> program = ReadExportedProgram(*std::move(archive));
    if (!program.ok()) return program.status();
    return InputsOf(program->module, program->inputs);
  }
  if (!archive->Has("constants.pkl")) return numbers;
  torch::jit::ExtraFilesMap no_files;
  const absl::StatusOr<torch::jit::Module> module = ReadModule(*archive, no_files);
  if (!module.ok()) return module.status();
  if (absl::Status status = CheckSignature(*module); !status.ok()) return status;
  return InputsOf(*module, {});
}

// Of `read`, with what it throws as a status.
template <typename Read>
auto Guarded(const std::string& file, const Read& read) -> decltype(read()) {
  try {
    return read();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(file, ": out of memory"));
  } catch (const std::logic_error& error) {  // of our own code: no file is at fault
    return absl::InternalError(absl::StrCat(file, ": ", ReasonOf(error)));
  } catch (const std::exception& error) {
    const std::string text = absl::StrCat(file, ": ", ReasonOf(error));
    if (absl::StrContains(text, "allocate memory")) return absl::ResourceExhaustedError(text);
    return absl::InvalidArgumentError(text);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> LoadCheckpoint(std::shared_ptr<io::MappedFile> file,
                                                      const LoadOptions& options) {
  return Guarded(file->name(), [&]() -> absl::StatusOr<std::unique_ptr<Model>> {
    absl::StatusOr<std::unique_ptr<Model>> model = LoadAnyForm(file, options);
    if (!model.ok()) return model;
    if (absl::Status status = ProbeShape(**model, options.sample_shape); !status.ok()) {
      return status;
    }
    return model;
  });
}

absl::StatusOr<std::vector<ModelInput>> ReadModelInputs(std::shared_ptr<io::MappedFile> file) {
  return Guarded(file->name(), [&] { return InputsInAnyForm(file); });
}

}  // namespace acclimate::model
