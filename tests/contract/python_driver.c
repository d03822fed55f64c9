/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite over CPython, embedded. The extension's own objects are linked in, so that suite
 * and extension share one core; its module is known to the interpreter as a built-in one. */
#include "compat/compat.h"

#include "adapter.h"
#include "engine.h"
#include "state.h"
#include "tests/contract/contract.h"
#include "tests/contract/native_thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

PyMODINIT_FUNC PyInit__native(void);

static PyThreadState *main_thread;
static PyObject *native, *helpers; /* modules */

/* What is easier said in Python. */
static const char helper_source[] =
    "import gc, importlib, sys, types\n"
    "def load(name):\n"
    "    importlib.import_module(name)\n"
    "def unload(name):\n"
    "    sys.modules.pop(name, None)\n"
    "    package, _, tail = name.rpartition('.')\n"
    "    if package in sys.modules:\n"
    "        sys.modules[package].__dict__.pop(tail, None)\n"
    "    gc.collect()\n"
    "def codes_of(code):\n"
    "    yield code\n"
    "    for constant in code.co_consts:\n"
    "        if isinstance(constant, types.CodeType):\n"
    "            yield from codes_of(constant)\n"
    "def codes():\n"
    "    for name in ('shop', 'north.stock', 'south.stock'):\n"
    "        for value in vars(sys.modules.get(name, gc)).values():\n"
    "            if isinstance(value, type):\n"
    "                values = vars(value).values()\n"
    "            else:\n"
    "                values = [value]\n"
    "            for function in values:\n"
    "                if isinstance(function, types.FunctionType):\n"
    "                    yield from codes_of(function.__code__)\n"
    /* Before 3.12 code is rewritten: what is there is then again what the source compiles to. */
    "def signature(code):\n"
    "    return (code.co_filename, code.co_name, code.co_firstlineno, code.co_code,\n"
    "            code.co_stacksize, tuple(map(type, code.co_consts)))\n"
    "compiled = {}\n"
    "def is_as_compiled(code):\n"
    "    path = code.co_filename\n"
    "    if path not in compiled:\n"
    "        with open(path) as file:\n"
    "            whole = compile(file.read(), path, 'exec')\n"
    "        compiled[path] = {signature(inner) for inner in codes_of(whole)}\n"
    "    return signature(code) in compiled[path]\n"
    "def is_pristine(tool):\n"
    "    monitoring = getattr(sys, 'monitoring', None)\n"
    "    if monitoring is None:\n"
    "        return all(map(is_as_compiled, codes()))\n"
    "    if tool < 0 or monitoring.get_tool(tool) is None:\n"
    "        return True\n"
    "    return monitoring.get_events(tool) == 0 and not any(\n"
    "        monitoring.get_local_events(tool, code) for code in codes())\n";

/* --- The VM ----------------------------------------------------------------------------------- */

static const char *
module_name(const char *program)
{
    return strcmp(program, "north") == 0   ? "north.stock"
           : strcmp(program, "south") == 0 ? "south.stock"
                                           : program;
}

/* Takes `result`; true when there is one. What was raised is printed and forgotten. */
static bool
is_done(PyObject *result)
{
    if (result == NULL) {
        PyErr_Print();
    }
    Py_XDECREF(result);
    return result != NULL;
}

static bool
prepare_modules(void)
{
    PyObject *path = PySys_GetObject("path"); /* borrowed */
    PyObject *programs = PyUnicode_FromString(CONTRACT_DIR "/programs");
    bool is_added =
        path != NULL && programs != NULL && PyList_Append(path, programs) == 0;
    Py_XDECREF(programs);
    helpers = PyModule_New("contract_helpers");
    PyObject *names = helpers == NULL ? NULL : PyModule_GetDict(helpers); /* borrowed */
    native = PyImport_ImportModule("_native");
    return is_added && native != NULL && names != NULL &&
           PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0 &&
           is_done(PyRun_String(helper_source, Py_file_input, names, names));
}

/* As sonde/auto.py does. */
static bool
register_fork_hooks(void)
{
    static const char *const events[][2] = {{"before", "before_fork"},
                                            {"after_in_parent", "after_fork_parent"},
                                            {"after_in_child", "after_fork_child"}};
    PyObject *os = PyImport_ImportModule("os");
    PyObject *call = os == NULL ? NULL : PyObject_GetAttrString(os, "register_at_fork");
    PyObject *none = PyTuple_New(0), *names = PyDict_New();
    bool is_registered = call != NULL && none != NULL && names != NULL;
    for (size_t i = 0; i < 3 && is_registered; i++) {
        PyObject *hook = PyObject_GetAttrString(native, events[i][1]);
        is_registered =
            hook != NULL && PyDict_SetItemString(names, events[i][0], hook) == 0;
        Py_XDECREF(hook);
    }
    is_registered = is_registered && is_done(PyObject_Call(call, none, names));
    Py_XDECREF(os);
    Py_XDECREF(call);
    Py_XDECREF(none);
    Py_XDECREF(names);
    return is_registered;
}

static bool
open_vm(void)
{
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.write_bytecode = 0; /* of the programs in the source tree */
    config.site_import = 0;
    config.use_environment = 0;
    config.install_signal_handlers = 0;
    PyStatus status =
        PyConfig_SetBytesString(&config, &config.program_name, CONTRACT_PYTHON);
    bool is_up = PyImport_AppendInittab("_native", PyInit__native) == 0 &&
                 !PyStatus_Exception(status);
    if (is_up) {
        status = Py_InitializeFromConfig(&config);
        is_up = !PyStatus_Exception(status);
    }
    PyConfig_Clear(&config);
    if (!is_up || !prepare_modules() || !register_fork_hooks()) {
        return false;
    }
    main_thread = PyEval_SaveThread();
    return true;
}

static void
close_vm(void)
{
    PyEval_RestoreThread(main_thread);
    Py_CLEAR(native);
    Py_CLEAR(helpers);
    Py_FinalizeEx();
}

static _Thread_local PyGILState_STATE gil;

static void
lock(void)
{
    gil = PyGILState_Ensure();
}

static void
unlock(void)
{
    PyGILState_Release(gil);
}

static void
with_lock(void (*job)(void *arg), void *arg)
{
    lock();
    job(arg);
    sonde_py_engine_rest(); /* as after every safe point */
    unlock();
}

/* --- The agent -------------------------------------------------------------------------------- */

static void
set_number(const char *name, int places, double value)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*f", places, value);
    setenv(name, text, 1);
}

/* The extension reads its settings from the environment. */
static void
set_environment(const struct sonde_config *config)
{
    setenv("SONDE_SERVER", config->server, 1);
    setenv("SONDE_REDACT_NAMES", config->redact_names, 1);
    setenv("SONDE_REDACT_TYPES", config->redact_types, 1);
    setenv("SONDE_REDACT_EXCLUDED", config->redact_excluded, 1);
    set_number("SONDE_QUEUE_BYTES", 0, (double)config->queue_bytes);
    set_number("SONDE_MAX_RATE", 3, config->snapshots_per_second);
    set_number("SONDE_CPU_PERCENT", 3, config->cpu_percent);
}

static void
take_exception(struct sonde_err *err)
{
    struct sonde_py_stash raised;
    sonde_py_stash_error(&raised);
    PyObject *text = raised.value == NULL ? NULL : PyObject_Str(raised.value);
    const char *chars = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    sonde_err_set(err, SONDE_E_VM, "start", "%s", chars == NULL ? "raised" : chars);
    Py_XDECREF(text);
    PyErr_Clear();
    sonde_py_restore_error(&raised);
    PyErr_Clear();
}

static struct sonde_agent *
start(const struct sonde_config *config, struct sonde_err *err)
{
    set_environment(config);
    lock();
    /* In an application it starts once; the suite wants a new life for each test. */
    sonde_py.agent = NULL;
    PyObject *result = PyObject_CallMethod(native, "start", NULL);
    if (result == NULL) {
        take_exception(err);
    }
    Py_XDECREF(result);
    struct sonde_agent *agent = result == NULL ? NULL : sonde_py.agent;
    unlock();
    return agent;
}

static void
stop(void)
{
    lock();
    is_done(PyObject_CallMethod(native, "stop", NULL));
    unlock();
}

static bool
is_pristine(void)
{
    lock();
    PyObject *answer = PyObject_CallMethod(helpers, "is_pristine", "i", sonde_py.tool);
    bool is_true = answer == Py_True && sonde_py_armed_count() == 0;
    is_done(answer);
    unlock();
    return is_true;
}

/* --- Programs ----------------------------------------------------------------------------------- */

static bool
load(const char *program)
{
    lock();
    bool is_loaded =
        is_done(PyObject_CallMethod(helpers, "load", "s", module_name(program)));
    unlock();
    return is_loaded;
}

static bool
unload(const char *program)
{
    lock();
    bool is_unloaded =
        is_done(PyObject_CallMethod(helpers, "unload", "s", module_name(program)));
    unlock();
    return is_unloaded;
}

static const char *
source(const char *program)
{
    return strcmp(program, "shop") == 0    ? CONTRACT_DIR "/programs/shop.py"
           : strcmp(program, "north") == 0 ? CONTRACT_DIR "/programs/north/stock.py"
                                           : CONTRACT_DIR "/programs/south/stock.py";
}

static const char *
location(const char *program, const char *function)
{
    static char text[256];
    bool is_method = strchr(function, '.') != NULL;
    snprintf(text, sizeof(text), "%s%c%s", module_name(program), is_method ? ':' : '.',
             function);
    return text;
}

static const char *
frame_name(const char *function)
{
    return function; /* co_qualname */
}

static bool
call(const char *program, const char *function, int64_t argument, int64_t *result)
{
    lock();
    PyObject *modules = PySys_GetObject("modules");                         /* borrowed */
    PyObject *module = PyDict_GetItemString(modules, module_name(program)); /* borrowed */
    PyObject *value =
        module == NULL ? NULL
                       : PyObject_CallMethod(module, function, "L", (long long)argument);
    if (value != NULL) {
        *result = PyLong_AsLongLong(value);
    }
    bool is_right = value != NULL && PyErr_Occurred() == NULL;
    PyErr_Clear();
    Py_XDECREF(value);
    unlock();
    return is_right;
}

static pid_t
fork_vm(bool tells)
{
    lock();
    if (tells) {
        PyOS_BeforeFork();
    }
    pid_t pid = fork();
    if (tells && pid == 0) {
        PyOS_AfterFork_Child();
    } else if (tells) {
        PyOS_AfterFork_Parent();
    }
    unlock();
    return pid;
}

const struct contract_driver contract_driver = {
    .name = "python" SONDE_PY_SERIES,
    .types =
        {
            [CONTRACT_NIL] = "NoneType",
            [CONTRACT_TRUE] = "bool",
            [CONTRACT_FALSE] = "bool",
            [CONTRACT_INT] = "int",
            [CONTRACT_FLOAT] = "float",
            [CONTRACT_TEXT] = "str",
            [CONTRACT_BYTES] = "bytes",
            [CONTRACT_LIST] = "list",
            [CONTRACT_MAP] = "dict",
            [CONTRACT_ITEM] = "Item",
            [CONTRACT_SEALED] = "Sealed",
            [CONTRACT_TRIPWIRE] = "Tripwire",
            [CONTRACT_ERROR] = "ValueError",
        },
    .field_prefix = "",
    .probes_functions = true,
    .tells_suspension = true,
    .lists_symbols = true,
    .arms_running_frames = SONDE_PY_HAS_MONITORING, /* docs/decisions/0010 */
    .open = open_vm,
    .close = close_vm,
    .thread_start = native_thread_start,
    .thread_join = native_thread_join,
    .start = start,
    .stop = stop,
    .with_lock = with_lock,
    .load = load,
    .unload = unload,
    .source = source,
    .location = location,
    .frame_name = frame_name,
    .place_name = frame_name,
    .call = call,
    .is_pristine = is_pristine,
    .fork = fork_vm,
};
