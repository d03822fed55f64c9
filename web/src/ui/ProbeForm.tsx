// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { setProbe } from "../actions";
import { ApiError } from "../api";
import { definition, emptyFields, fieldsOf, LIMITS, withLocation, type FormFields } from "../form";
import type { Form } from "../state";
import { dispatch, useSelect } from "../store";
import type { Capture, Process } from "../types";
import { FOCUS, focusSoon } from "./focus";
import { closeForm } from "./keys";
import { Location, useCheck } from "./Location";

const NONE: Process[] = [];

interface Fault {
  field: string; // "": of no field
  message: string;
}

/** The collector's names of what was wrong, as fields of this form. */
function faultOf(error: unknown): Fault {
  if (!(error instanceof ApiError)) {
    throw error;
  }
  const field = error.field === "expires_at_ns" ? "expires_in_s" : error.field;
  return { field, message: error.message };
}

interface FieldProps {
  name: string; // as the collector calls it
  label: string;
  value: string;
  fault: Fault | null;
  onInput: (value: string) => void;
  placeholder?: string;
  list?: string;
  isNumber?: boolean;
}

function Field({ name, label, value, fault, onInput, placeholder, list, isNumber }: FieldProps) {
  const isWrong = fault?.field === name;
  const id = `f-${name}`;
  return (
    <div class="field" data-field={name}>
      <label for={id}>{label}</label>
      <input
        id={id}
        value={value}
        list={list}
        placeholder={placeholder}
        inputMode={isNumber === true ? "decimal" : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={isWrong}
        aria-describedby={isWrong ? `${id}-fault` : undefined}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {isWrong && (
        <p class="fault" id={`${id}-fault`} role="alert">
          {fault?.message}
        </p>
      )}
    </div>
  );
}

const CAPTURES: { key: keyof Capture; label: string }[] = [
  { key: "arguments", label: "arguments" },
  { key: "locals", label: "locals" },
  { key: "return", label: "return" },
  { key: "stack", label: "stack" },
];

function Switches({ capture, onChange }: { capture: Capture; onChange: (capture: Capture) => void }) {
  return (
    <fieldset class="switches">
      <legend>Captures</legend>
      {CAPTURES.map(({ key, label }) => (
        <label>
          <input
            type="checkbox"
            checked={capture[key]}
            onChange={(event) => onChange({ ...capture, [key]: event.currentTarget.checked })}
          />
          {label}
        </label>
      ))}
    </fieldset>
  );
}

function useSuggestions(key: "service" | "env"): string[] {
  const processes = useSelect((state) => state.processes) ?? NONE;
  return [...new Set(processes.map((process) => process[key]))].filter((name) => name !== "").sort();
}

function Suggestions({ id, names }: { id: string; names: string[] }) {
  return (
    <datalist id={id}>
      {names.map((name) => (
        <option value={name} />
      ))}
    </datalist>
  );
}

export function ProbeForm({ form }: { form: Form }) {
  const { changes } = form;
  const [fields, setFields] = useState<FormFields>(
    changes === null ? emptyFields(form.location, form.service) : fieldsOf(changes),
  );
  const [fault, setFault] = useState<Fault | null>(null);
  const [isSending, setIsSending] = useState(false);
  const set = (part: Partial<FormFields>) => setFields({ ...fields, ...part });
  const field = (name: "service" | "env" | "rate" | "hit_limit", label: string) => ({
    name,
    label,
    fault,
    value: fields[name],
    onInput: (value: string) => set({ [name]: value }),
  });
  // Functional: what was picked elsewhere must not take back what was typed here meanwhile.
  const setLocation = (location: string) => setFields((before) => withLocation(before, location));
  const check = useCheck(fields);
  const { picked } = form;
  useEffect(() => {
    if (picked !== undefined) {
      setFields((before) => ({ ...before, ...picked }));
      setFault(null);
    }
  }, [picked]);
  const submit = async () => {
    setIsSending(true);
    // What is set already may be changed in all else.
    const isSet = changes?.location === fields.location.trim();
    if (!isSet && !(await check.isAllowed())) {
      setFault(null);
      setIsSending(false);
      focusSoon(FOCUS.location);
      return;
    }
    try {
      const probe = await setProbe(definition(fields, changes));
      dispatch({ type: "form", form: null });
      focusSoon(FOCUS.probe(probe.id));
    } catch (error) {
      const found = faultOf(error);
      setFault(found);
      setIsSending(false);
      focusSoon(`#${CSS.escape(`f-${found.field}`)}`);
    }
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    void submit();
  };
  const hasLimitFault = fault?.field.startsWith("limits.") === true;
  const known = ["location", "at", "service", "env", "rate", "hit_limit", "expires_in_s"];
  const isElsewhere = fault !== null && !hasLimitFault && !known.includes(fault.field);
  return (
    <form class="probe-form" aria-label={changes === null ? "New probe" : "Change the probe"} onSubmit={onSubmit} noValidate>
      <Location
        fields={fields}
        fault={fault?.field === "location" ? fault.message : ""}
        check={check}
        onInput={setLocation}
        onAnyVersion={() => set({ sourceHash: "" })}
        onSubmit={() => void submit()}
      />
      <div class="field" data-field="at">
        <label for="f-at">Taken</label>
        <select
          id="f-at"
          value={fields.at}
          aria-invalid={fault?.field === "at"}
          aria-describedby={fault?.field === "at" ? "f-at-fault" : undefined}
          onChange={(event) => set({ at: event.currentTarget.value })}
        >
          <option value="">at the line, or at the function's exit</option>
          <option value="entry">at the function's entry</option>
          <option value="exit">at the function's exit</option>
          <option value="line">at the line</option>
        </select>
        {fault?.field === "at" && (
          <p class="fault" id="f-at-fault" role="alert">
            {fault.message}
          </p>
        )}
      </div>
      <div class="pair">
        <Field {...field("service", "Service")} placeholder="all" list="services" />
        <Field {...field("env", "Environment")} placeholder="all" list="envs" />
      </div>
      <div class="pair three">
        <Field {...field("rate", "Per second")} placeholder="1" isNumber />
        <Field {...field("hit_limit", "Hit limit")} placeholder="none" isNumber />
        <Field
          name="expires_in_s"
          label="Expires in"
          value={fields.expires}
          fault={fault}
          placeholder={changes === null ? "never, 1h" : "as it is"}
          onInput={(expires) => set({ expires })}
        />
      </div>
      <Switches capture={fields.capture} onChange={(capture) => set({ capture })} />
      <details open={hasLimitFault || undefined}>
        <summary>Limits</summary>
        <div class="pair">
          {LIMITS.map(({ key, label, usual }) => (
            <Field
              name={`limits.${key}`}
              label={label}
              value={fields.limits[key]}
              fault={fault}
              placeholder={String(usual)}
              onInput={(value) => set({ limits: { ...fields.limits, [key]: value } })}
              isNumber
            />
          ))}
        </div>
      </details>
      {isElsewhere && (
        <p class="fault" role="alert">
          {fault.message}
        </p>
      )}
      <div class="buttons">
        <button type="submit" class="primary" disabled={isSending}>
          {changes === null ? "Set probe" : "Set revision"}
        </button>
        <button type="button" onClick={closeForm}>
          Cancel <kbd>Esc</kbd>
        </button>
      </div>
      <Suggestions id="services" names={useSuggestions("service")} />
      <Suggestions id="envs" names={useSuggestions("env")} />
    </form>
  );
}
