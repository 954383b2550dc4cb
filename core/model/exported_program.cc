#include "core/model/exported_program.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/shape_text.h"
#include "core/model/archive_copy.h"
#include "core/model/exported_graph.h"
#include "core/model/exported_json.h"
#include "nlohmann/json.hpp"

namespace acclimate::model {
namespace {

// torch/_export/serde/schema.py: a change of the minor number is compatible.
constexpr int64_t kSchemaVersion = 8;

using WeightPlaces = std::map<std::string, TensorPlace>;

// Reads one program into a module.
class ProgramReader {
 public:
  explicit ProgramReader(std::shared_ptr<const ExportedArchive> archive)
      : document_(archive->Program()), program_(document_) {
    result_.archive = std::move(archive);
    result_.fixed_batch = false;
  }

  ExportedProgram Read() {
    CheckVersion();
    const StrictJson module = program_["graph_module"];
    const StrictJson graph = module["graph"];
    graph_.AddShapes(graph);
    for (const StrictJson& spec : module["signature"]["input_specs"].Items()) AddInput(spec);
    for (const StrictJson& node : graph["nodes"].Items()) graph_.AddNode(node);
    const std::vector<std::string> outputs =
        Outputs(module["signature"]["output_specs"].Items(), graph["outputs"].Items());
    result_.module = graph_.Finish(outputs);
    NoteInputs(graph["tensor_values"]);
    Warn();
    return std::move(result_);
  }

 private:
  void CheckVersion() const {
    const int64_t major = program_["schema_version"]["major"].Integer();
    if (major == kSchemaVersion) return;
    const std::string writer =
        program_.Has("torch_version") ? program_["torch_version"].Text() : "unknown";
    throw std::runtime_error(absl::StrCat("the program's schema version is ", major, " (PyTorch ",
                                          writer, "); wanted is ", kSchemaVersion,
                                          ", which PyTorch 2.13 writes"));
  }

  void AddInput(const StrictJson& spec) {
    const auto [kind, input] = spec.Choice();
    if (kind == "constant_input") return;  // its value is part of the graph
    if (kind == "parameter" || kind == "buffer") {
      const bool persistent = kind == "parameter" || input["persistent"].Flag();
      AddTensor(input, input[absl::StrCat(kind, "_name")].Text(), persistent, kind == "parameter");
    } else if (kind == "tensor_constant") {
      AddTensor(input, input["tensor_constant_name"].Text(), /*persistent=*/false, false);
    } else if (kind == "user_input") {
      const auto [form, argument] = input["arg"].Choice();
      if (form == "as_none") return;
      if (form != "as_tensor") {
        throw std::runtime_error(absl::StrCat("the program takes an input of kind \"", form,
                                              "\"; a classifier takes tensors"));
      }
      graph_.AddInput(argument["name"].Text());
    } else {
      throw std::runtime_error(
          absl::StrCat("the program takes an input of kind \"", kind, "\", which is not read"));
    }
  }

  void AddTensor(const StrictJson& input, const std::string& name, bool persistent,
                 bool parameter) {
    const std::string value = input["arg"]["name"].Text();
    const WeightPlaces& places =
        persistent ? result_.archive->weights() : result_.archive->constants();
    const auto found = places.find(name);
    if (found == places.end()) {
      throw std::runtime_error(absl::StrCat("the program reads the tensor \"", name,
                                            "\", which the archive does not hold"));
    }
    const TensorPlace& place = found->second;
    for (const auto& [first, other] : placed_[place.record]) {
      if (*other == place) return graph_.AddTied(value, name, first, parameter);
    }
    at::Tensor tensor = result_.archive->Read(name, place);
    if (parameter) tensor.set_requires_grad(place.requires_grad && tensor.is_floating_point());
    graph_.AddTensor(value, name, std::move(tensor), parameter);
    placed_[place.record].emplace_back(name, &place);
  }

  // Several travel as planes of one tensor, so their shapes are alike.
  void NoteInputs(const StrictJson& values) {
    for (const std::string& name : graph_.inputs()) {
      const StrictJson meta = values[name];
      ModelInput& input = result_.inputs.emplace_back();
      input.name = name;
      input.type = ExportedDtype(meta["dtype"].Integer());
      if (result_.inputs.size() == 1) NoteShape(meta);
      if (meta["sizes"].Items().size() != values[graph_.inputs()[0]]["sizes"].Items().size()) {
        throw std::runtime_error(
            absl::StrCat("the program takes \"", graph_.inputs()[0], "\" and \"", name,
                         "\" of different shapes; several inputs must have one shape, [N, ...]"));
      }
    }
  }

  void NoteShape(const StrictJson& meta) {
    const std::vector<StrictJson> sizes = meta["sizes"].Items();
    std::vector<int64_t> shape;
    for (size_t i = 0; i < sizes.size(); ++i) {
      const auto [kind, size] = sizes[i].Choice();
      if (i == 0) result_.fixed_batch = kind == "as_int";
      if (i > 0 && kind != "as_int") return;
      shape.push_back(kind == "as_int" ? size.Integer() : 0);
    }
    result_.input_shape = std::move(shape);
  }

  // What the user gets, in order; buffers that change are written to.
  std::vector<std::string> Outputs(const std::vector<StrictJson>& specs,
                                   const std::vector<StrictJson>& made) {
    if (specs.size() != made.size()) {
      throw std::runtime_error(absl::StrCat("the program's graph gives back ", made.size(),
                                            " values; its signature names ", specs.size()));
    }
    std::vector<std::string> outputs;
    for (const StrictJson& spec : specs) {
      const auto [kind, output] = spec.Choice();
      if (kind == "user_output") {
        const auto [form, argument] = output["arg"].Choice();
        if (form == "as_tensor") outputs.push_back(argument["name"].Text());
      } else if (kind == "buffer_mutation") {
        graph_.AddMutation(output["buffer_name"].Text(), output["arg"]["name"].Text());
      } else if (kind != "user_input_mutation") {
        throw std::runtime_error(
            absl::StrCat("the program has an output of kind \"", kind, "\"; wanted are results"));
      }
    }
    return outputs;
  }

  void Warn() {
    if (graph_.has_modes()) {
      result_.warnings.push_back(
          "exported program: dropout and batch-norm follow the mode, but any other Python code "
          "that asks for self.training stays as it was when exported");
    }
    if (graph_.in_training()) {
      result_.warnings.push_back(
          "the program was exported in training mode, and the .pt2 that is given back has the same "
          "graph: export the model in evaluation mode to get one that evaluates");
    }
    if (graph_.lost_dropout()) {
      result_.warnings.push_back(
          "run_decompositions() took dropout out of the program: it stays off in training");
    }
  }

  const nlohmann::json document_;
  const StrictJson program_;
  ExportedGraph graph_;
  ExportedProgram result_;
  // Tensors and their names, by record.
  std::map<std::string, std::vector<std::pair<std::string, const TensorPlace*>>> placed_;
};

// The records of `places` with what `state` has for them.
class RecordUpdate {
 public:
  RecordUpdate(const ExportedArchive& archive, const std::map<std::string, at::Tensor>& state)
      : archive_(archive), state_(state) {}

  absl::Status Add(const WeightPlaces& places) {
    for (const auto& [name, place] : places) {
      const auto found = state_.find(name);
      if (found == state_.end()) continue;  // the graph does not read it
      const at::Tensor tensor = found->second.detach().cpu();
      if (tensor.sizes() != at::IntArrayRef(place.sizes) || tensor.scalar_type() != place.dtype) {
        return absl::InvalidArgumentError(absl::StrCat(
            "cannot save as .pt2: ", name, " is ", c10::toString(tensor.scalar_type()),
            " of shape ", io::ShapeText(tensor.sizes()), ", but the program is written for ",
            c10::toString(place.dtype), " of shape ", io::ShapeText(place.sizes)));
      }
      const at::Tensor view = ExportedArchive::ViewOf(BytesOf(place.record), name, place);
      if (!SameBytes(view, tensor)) view.copy_(tensor);
    }
    // Tensors that lay in each other's bytes may have parted.
    for (const auto& [name, place] : places) {
      const auto found = state_.find(name);
      if (found == state_.end()) continue;
      const at::Tensor view = ExportedArchive::ViewOf(BytesOf(place.record), name, place);
      if (!SameBytes(view, found->second.detach().cpu())) {
        return absl::InvalidArgumentError(absl::StrCat("cannot save as .pt2: ", name,
                                                       " shares bytes of the archive with another "
                                                       "tensor, and the two differ now"));
      }
    }
    return absl::OkStatus();
  }

  std::map<std::string, absl::string_view> Changed() const {
    std::map<std::string, absl::string_view> changed;
    for (const auto& [record, bytes] : bytes_) {
      const absl::string_view now(static_cast<const char*>(bytes.data_ptr()), bytes.nbytes());
      if (now != *archive_.archive().Read(record)) changed[record] = now;
    }
    return changed;
  }

 private:
  // NaN is equal to itself here.
  static bool SameBytes(const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor left = a.contiguous(), right = b.contiguous();
    return left.nbytes() == 0 || std::memcmp(left.data_ptr(), right.data_ptr(), left.nbytes()) == 0;
  }

  const at::Tensor& BytesOf(const std::string& record) {
    const auto found = bytes_.find(record);
    if (found != bytes_.end()) return found->second;
    return bytes_.emplace(record, archive_.RecordBytes(record)).first->second;
  }

  const ExportedArchive& archive_;
  const std::map<std::string, at::Tensor>& state_;
  std::map<std::string, at::Tensor> bytes_;
};

}  // namespace

absl::StatusOr<ExportedProgram> ReadExportedProgram(TorchArchive archive) {
  const std::string file = archive.file()->name();
  try {
    return ProgramReader(std::make_shared<const ExportedArchive>(std::move(archive))).Read();
  } catch (const std::runtime_error& error) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", error.what()));
  }
}

absl::Status WriteExportedProgram(const ExportedArchive& archive, const std::string& path,
                                  const std::map<std::string, at::Tensor>& state,
                                  const std::map<std::string, std::string>& metadata) {
  const at::NoGradGuard no_grad;
  try {
    RecordUpdate update(archive, state);
    if (absl::Status status = update.Add(archive.weights()); !status.ok()) return status;
    if (absl::Status status = update.Add(archive.constants()); !status.ok()) return status;
    return CopyArchive(archive.archive(), path, update.Changed(), kExportedMetadataRecord,
                       metadata.empty() ? "" : nlohmann::json(metadata).dump());
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("cannot save: ", error.what()));
  }
}

}  // namespace acclimate::model
