/* What the tests ask of niwaki.h beyond the example: every refusal, and many threads on one engine.
 *
 *     exercise model.nwk pictures.f32 images out.bin
 *
 * Exits 0 and writes all outputs, one behind the other, when everything holds; else prints a line.
 */
#include <niwaki.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define RUNS 20
#define CHECK(condition)                             \
  do {                                               \
    if (!(condition)) {                              \
      printf("line %d: %s\n", __LINE__, #condition); \
      exit(1);                                       \
    }                                                \
  } while (0)

static const niwaki_engine* engine;
static const float* pictures;
static long long images;
static int output_count;
static size_t sizes[8];
static void* expected[8];

static void* run_often(void* unused) {
  (void)unused;
  for (int run = 0; run < RUNS; ++run) {
    void* outputs[8];
    for (int k = 0; k < output_count; ++k) CHECK((outputs[k] = malloc(sizes[k] + 1)) != NULL);
    CHECK(niwaki_run(engine, pictures, images, outputs, NULL) == NIWAKI_OK);
    for (int k = 0; k < output_count; ++k) {
      CHECK(memcmp(outputs[k], expected[k], sizes[k]) == 0);
      free(outputs[k]);
    }
  }
  return NULL;
}

static void refuse(const char* path) {
  niwaki_error error;
  niwaki_options options = NIWAKI_DEFAULT_OPTIONS;
  CHECK(niwaki_load(NULL, NULL, &error) == NULL && error.status == NIWAKI_VALUE_DOMAIN_ERROR);
  CHECK(niwaki_load("nowhere.nwk", NULL, &error) == NULL && error.status == NIWAKI_INPUT_ERROR);
  CHECK(strstr(error.message, "must be a file that can be read") != NULL);
  CHECK(niwaki_load("nowhere.nwk", NULL, NULL) == NULL);
  CHECK(niwaki_load_memory("junk", 4, NULL, &error) == NULL && error.status == NIWAKI_FORMAT_ERROR);
  CHECK(niwaki_load_memory(NULL, 4, NULL, &error) == NULL);
  CHECK(niwaki_load_memory(NULL, 0, NULL, &error) == NULL && error.status == NIWAKI_FORMAT_ERROR);
  options.threads = 0;
  CHECK(niwaki_load(path, &options, &error) == NULL && error.status == NIWAKI_VALUE_DOMAIN_ERROR);
  options.threads = 1;
  options.isa = "vax";
  CHECK(niwaki_load(path, &options, &error) == NULL && error.status == NIWAKI_REGISTRY_ERROR);
  options.size = 3;
  CHECK(niwaki_load(path, &options, &error) == NULL && error.status == NIWAKI_VALUE_DOMAIN_ERROR);

  void* outputs[8] = {NULL};
  niwaki_value value;
  CHECK(niwaki_run(NULL, pictures, 1, outputs, &error) == NIWAKI_VALUE_DOMAIN_ERROR);
  CHECK(niwaki_run(engine, pictures, -1, outputs, &error) == NIWAKI_VALUE_DOMAIN_ERROR);
  CHECK(niwaki_run(engine, NULL, 1, outputs, &error) == NIWAKI_VALUE_DOMAIN_ERROR);
  CHECK(niwaki_run(engine, pictures, 1, NULL, &error) == NIWAKI_VALUE_DOMAIN_ERROR);
  CHECK(niwaki_run(engine, pictures, 1, outputs, &error) == NIWAKI_VALUE_DOMAIN_ERROR);
  CHECK(strstr(error.message, "[niwaki.h] each output must have a place") == error.message);
  CHECK(niwaki_run(engine, NULL, 0, NULL, &error) == NIWAKI_OK);
  CHECK(niwaki_input_shape(NULL, &value) != NIWAKI_OK);
  CHECK(niwaki_input_shape(engine, NULL) != NIWAKI_OK);
  CHECK(niwaki_output_shape(engine, -1, &value) != NIWAKI_OK);
  CHECK(niwaki_output_shape(engine, output_count, &value) != NIWAKI_OK);
  CHECK(niwaki_output_count(NULL) == 0);
  niwaki_free(NULL);
}

static char* read_all(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
  *size = (size_t)ftell(file);
  rewind(file);
  char* data = malloc(*size + 1);
  CHECK(data != NULL && fread(data, 1, *size, file) == *size);
  fclose(file);
  return data;
}

int main(int count, char** words) {
  CHECK(count == 5 && strcmp(niwaki_version(), NIWAKI_VERSION) == 0);
  size_t size;
  char* file = read_all(words[1], &size);
  niwaki_options options = NIWAKI_DEFAULT_OPTIONS;
  options.threads = 2;
  niwaki_engine* loaded = niwaki_load_memory(file, size, &options, NULL);
  CHECK(loaded != NULL);
  memset(file, 0, size); /* the bytes were copied */
  free(file);
  engine = loaded;
  pictures = (const float*)read_all(words[2], &size);
  images = atoll(words[3]);
  niwaki_value value;
  CHECK(niwaki_input_shape(engine, &value) == NIWAKI_OK && value.type == NIWAKI_F32);
  CHECK(value.bytes * (size_t)images == size);
  output_count = niwaki_output_count(engine);
  CHECK(output_count >= 1 && output_count <= 8);

  for (int k = 0; k < output_count; ++k) {
    CHECK(niwaki_output_shape(engine, k, &value) == NIWAKI_OK);
    printf("output %d: type %d, shape", k, (int)value.type);
    for (int i = 0; i < value.rank; ++i) printf(" %lld", (long long)value.shape[i]);
    printf("\n");
    sizes[k] = value.bytes * (size_t)images;
    CHECK((expected[k] = malloc(sizes[k] + 1)) != NULL);
  }
  niwaki_error error;
  if (niwaki_run(engine, pictures, images, expected, &error) != NIWAKI_OK) puts(error.message);
  pthread_t threads[THREADS];
  for (int k = 0; k < THREADS; ++k) {
    CHECK(pthread_create(&threads[k], NULL, run_often, NULL) == 0);
  }
  for (int k = 0; k < THREADS; ++k) CHECK(pthread_join(threads[k], NULL) == 0);
  refuse(words[1]);

  FILE* out = fopen(words[4], "wb");
  CHECK(out != NULL);
  for (int k = 0; k < output_count; ++k) {
    CHECK(fwrite(expected[k], 1, sizes[k], out) == sizes[k]);
    free(expected[k]);
  }
  CHECK(fclose(out) == 0);
  free((void*)pictures);
  niwaki_free(loaded);
  return 0;
}
