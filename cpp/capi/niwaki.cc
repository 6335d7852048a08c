// The C face of the engine: the same checks and messages as in Python, exceptions stopped here.
#include "capi/niwaki.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/error.h"
#include "engine/text.h"

using niwaki::Error;
using niwaki::ErrorKind;

struct niwaki_engine {
  niwaki::Engine engine;
};

namespace {

niwaki_status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kFormat:
      return NIWAKI_FORMAT_ERROR;
    case ErrorKind::kShape:
      return NIWAKI_SHAPE_ERROR;
    case ErrorKind::kValueDomain:
      return NIWAKI_VALUE_DOMAIN_ERROR;
    case ErrorKind::kUnsupportedOp:
      return NIWAKI_UNSUPPORTED_OP_ERROR;
    case ErrorKind::kInput:
      return NIWAKI_INPUT_ERROR;
    case ErrorKind::kRegistry:
      return NIWAKI_REGISTRY_ERROR;
  }
  return NIWAKI_INTERNAL_ERROR;
}

niwaki_status report(niwaki_error* error, niwaki_status status, const char* message) {
  if (error != nullptr) {
    error->status = status;
    const size_t length = std::min(std::strlen(message), sizeof(error->message) - 1);
    std::memcpy(error->message, message, length);
    error->message[length] = '\0';
  }
  return status;
}

// Runs `body`; whatever it throws becomes a status and a message.
template <class Body>
niwaki_status guarded(niwaki_error* error, const Body& body) noexcept {
  try {
    body();
    return NIWAKI_OK;
  } catch (const Error& caught) {
    return report(error, status_of(caught.kind), caught.what());
  } catch (const std::bad_alloc&) {
    return report(error, NIWAKI_OUT_OF_MEMORY,
                  "[niwaki] memory must suffice, got none. Free some, or use smaller images.");
  } catch (const std::exception& caught) {
    return report(error, NIWAKI_INTERNAL_ERROR, caught.what());
  } catch (...) {
    return report(error, NIWAKI_INTERNAL_ERROR, "[niwaki] an unknown exception was thrown.");
  }
}

void require(bool holds, const char* must, const std::string& got) {
  if (!holds) throw Error(ErrorKind::kValueDomain, "niwaki.h", must, got);
}

niwaki::EngineOptions read_options(const niwaki_options* options) {
  niwaki::EngineOptions read;
  if (options == nullptr) return read;
  require(options->size >= sizeof(niwaki_options), "options must start as NIWAKI_DEFAULT_OPTIONS",
          std::to_string(options->size) + " bytes");
  require(options->threads >= 1 && options->threads <= 1024, "threads must be in [1, 1024]",
          std::to_string(options->threads));
  read.threads = options->threads;
  if (options->isa != nullptr) read.isa = options->isa;
  return read;
}

niwaki_type type_of(niwaki::DType dtype) {
  switch (dtype) {
    case niwaki::DType::kF32:
      return NIWAKI_F32;
    case niwaki::DType::kU8:
      return NIWAKI_U8;
    case niwaki::DType::kS8:
      return NIWAKI_S8;
    case niwaki::DType::kS32:
      return NIWAKI_S32;
    case niwaki::DType::kU1:
      return NIWAKI_BITS;
    default:
      throw Error(ErrorKind::kFormat, "niwaki.h", "a value must be f32, u8, s8, s32 or u1",
                  niwaki::dtype_name(dtype));
  }
}

niwaki_status describe(const niwaki_engine* engine, int id, niwaki_value* value) {
  return guarded(nullptr, [&] {
    const niwaki::Value& from = engine->engine.program().values[static_cast<size_t>(id)];
    const std::vector<int64_t> sizes = from.shape.sizes();
    require(sizes.size() <= NIWAKI_MAX_RANK, "a value must have at most 8 sizes",
            std::to_string(sizes.size()));
    niwaki_value found{};
    found.type = type_of(from.dtype);
    found.rank = static_cast<int>(sizes.size());
    std::copy(sizes.begin(), sizes.end(), found.shape);
    found.bytes = from.bytes();
    *value = found;
  });
}

template <class MakeContainer>
niwaki_engine* load(const niwaki_options* options, niwaki_error* error,
                    const MakeContainer& make_container) {
  niwaki_engine* loaded = nullptr;
  guarded(error, [&] {
    const niwaki::EngineOptions read = read_options(options);
    auto made =
        std::unique_ptr<niwaki_engine>(new niwaki_engine{niwaki::Engine(make_container(), read)});
    const size_t inputs = made->engine.program().inputs.size();
    require(inputs == 1, "a network run from C must have one input", std::to_string(inputs));
    loaded = made.release();
  });
  return loaded;
}

}  // namespace

extern "C" {

const char* niwaki_version(void) { return NIWAKI_VERSION; }

niwaki_engine* niwaki_load(const char* path, const niwaki_options* options, niwaki_error* error) {
  return load(options, error, [&] {
    require(path != nullptr, "path must be a file's name", "NULL");
    return niwaki::read_container(path);
  });
}

niwaki_engine* niwaki_load_memory(const void* data, size_t size, const niwaki_options* options,
                                  niwaki_error* error) {
  return load(options, error, [&] {
    require(data != nullptr || size == 0, "data must be a file's bytes", "NULL");
    niwaki::AlignedBytes bytes(size);
    if (size > 0) std::memcpy(bytes.data(), data, size);
    return niwaki::parse_container(std::move(bytes), "memory");
  });
}

niwaki_status niwaki_input_shape(const niwaki_engine* engine, niwaki_value* value) {
  if (engine == nullptr || value == nullptr) return NIWAKI_VALUE_DOMAIN_ERROR;
  return describe(engine, engine->engine.program().inputs[0], value);
}

int niwaki_output_count(const niwaki_engine* engine) {
  return engine == nullptr ? 0 : static_cast<int>(engine->engine.program().outputs.size());
}

niwaki_status niwaki_output_shape(const niwaki_engine* engine, int index, niwaki_value* value) {
  if (value == nullptr || index < 0 || index >= niwaki_output_count(engine)) {
    return NIWAKI_VALUE_DOMAIN_ERROR;
  }
  return describe(engine, engine->engine.program().outputs[static_cast<size_t>(index)], value);
}

niwaki_status niwaki_run(const niwaki_engine* engine, const float* input, int64_t images,
                         void* const* outputs, niwaki_error* error) {
  return guarded(error, [&] {
    require(engine != nullptr, "engine must be a loaded one", "NULL");
    require(images >= 0, "images must be 0 or more", std::to_string(images));
    if (images == 0) return;
    require(input != nullptr, "input must hold the images", "NULL");
    require(outputs != nullptr, "outputs must hold a pointer for each output", "NULL");
    const std::vector<int>& ids = engine->engine.program().outputs;
    std::vector<niwaki::Wanted> wanted;
    for (size_t index = 0; index < ids.size(); ++index) {
      require(outputs[index] != nullptr, "each output must have a place",
              niwaki::concat("NULL for output ", index));
      wanted.push_back({ids[index], static_cast<uint8_t*>(outputs[index])});
    }
    engine->engine.run({reinterpret_cast<const uint8_t*>(input)}, images, wanted);
  });
}

void niwaki_free(niwaki_engine* engine) { delete engine; }

}  // extern "C"
