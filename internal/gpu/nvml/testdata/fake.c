// A library with the part of NVML that cogflow calls. What it says is read from the file SPEC, anew
// with each initialization. Each line is a fact:
//   init CODE | gpu UUID BUS TOTAL USED MIG ERRORS REMAPFAILED NAME | lost | mig UUID TOTAL USED NAME
//   proc PID BYTES | xid CODE
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "nvml.h"

typedef struct { unsigned pid; unsigned long long bytes; } process;
typedef struct {
  int lost, mig, remap, parts, used_by;
  char uuid[64], bus[32], name[64];
  unsigned long long total, used, errors;
  int part[8];
  process by[8];
} device;

static device all[32];
static int order[16], gpus, known;
static nvmlReturn_t init = NVML_SUCCESS;
static volatile unsigned long long xid;

nvmlReturn_t nvmlInit_v2(void) {
  char line[512];
  int whole = -1, last = -1;
  FILE *f = fopen(SPEC, "r");
  gpus = known = 0, init = NVML_SUCCESS, xid = 0;
  if (!f) return NVML_ERROR_UNKNOWN;
  while (fgets(line, sizeof line, f)) {
    device d;
    int code;
    memset(&d, 0, sizeof d);
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "init %d", &code) == 1) init = code;
    else if (sscanf(line, "xid %d", &code) == 1) xid = code;
    else if (!strcmp(line, "lost")) { d.lost = 1; all[known] = d; order[gpus++] = known++; }
    else if (sscanf(line, "gpu %63s %31s %llu %llu %d %llu %d %63[^\n]", d.uuid, d.bus, &d.total, &d.used, &d.mig, &d.errors, &d.remap, d.name) == 8) {
      all[known] = d; order[gpus++] = whole = last = known++;
    } else if (sscanf(line, "mig %63s %llu %llu %63[^\n]", d.uuid, &d.total, &d.used, d.name) == 4) {
      all[known] = d; all[whole].part[all[whole].parts++] = last = known++;
    } else if (strncmp(line, "proc ", 5) == 0) {
      process *p = &all[last].by[all[last].used_by++];
      sscanf(line, "proc %u %llu", &p->pid, &p->bytes);
    }
  }
  fclose(f);
  return init;
}
nvmlReturn_t nvmlShutdown(void) { return NVML_SUCCESS; }
const char *nvmlErrorString(nvmlReturn_t r) {
  switch (r) {
  case NVML_ERROR_LIB_RM_VERSION_MISMATCH: return "Driver/library version mismatch";
  case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
  case NVML_ERROR_GPU_IS_LOST: return "GPU is lost";
  default: return "Unknown Error";
  }
}
// go-nvml's header wraps handles, which are pointers, in structs.
#define D ((device *)h.handle)
static nvmlReturn_t text(char *to, unsigned n, const char *from) { snprintf(to, n, "%s", from); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *n) { *n = gpus; return init; }
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned i, nvmlDevice_t *h) {
  if (all[order[i]].lost) return NVML_ERROR_UNKNOWN;
  *h = (nvmlDevice_t){(void *)&all[order[i]]};
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t h, char *to, unsigned n) { return text(to, n, D->uuid); }
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t h, char *to, unsigned n) { return text(to, n, D->name); }
nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t h, nvmlPciInfo_t *p) { memset(p, 0, sizeof *p); return text(p->busId, sizeof p->busId, D->bus); }
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t h, nvmlMemory_v2_t *m) { m->total = D->total; m->used = D->used; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t h, nvmlMemoryErrorType_t t, nvmlEccCounterType_t c, unsigned long long *n) { *n = D->errors; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t h, unsigned *c, unsigned *u, unsigned *p, unsigned *f) { *c = *u = *p = 0; *f = D->remap; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t h, unsigned *now, unsigned *next) { *now = *next = D->mig; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t h, unsigned *n) { *n = 7; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t h, unsigned i, nvmlDevice_t *part) {
  if ((int)i >= D->parts) return NVML_ERROR_NOT_FOUND;
  *part = (nvmlDevice_t){(void *)&all[D->part[i]]};
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t h, unsigned *n, nvmlProcessInfo_t *to) {
  if ((int)*n < D->used_by) { *n = D->used_by; return NVML_ERROR_INSUFFICIENT_SIZE; }
  *n = D->used_by;
  for (int i = 0; i < D->used_by; i++) to[i].pid = D->by[i].pid, to[i].usedGpuMemory = D->by[i].bytes;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) { *set = (nvmlEventSet_t){(void *)all}; return NVML_SUCCESS; }
nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) { return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t h, unsigned long long types, nvmlEventSet_t set) { return NVML_SUCCESS; }
nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *e, unsigned ms) {
  if (!xid) { usleep(5000); return NVML_ERROR_TIMEOUT; }
  e->device = (nvmlDevice_t){(void *)&all[order[0]]}, e->eventType = nvmlEventTypeXidCriticalError, e->eventData = xid;
  xid = 0;
  return NVML_SUCCESS;
}
