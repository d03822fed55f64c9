// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from "preact/hooks";
import { dispatch, useSelect } from "../store";
import { Glyph, type Shape } from "./Glyph";
import { KEYS } from "./keys";

const STATES: { shape: Shape; means: string }[] = [
  { shape: "received", means: "received: the process knows it, and has done nothing yet" },
  { shape: "pending", means: "pending: its code is not loaded; it is set the moment it is" },
  { shape: "installed", means: "installed: the next execution fires" },
  { shape: "emitting", means: "emitting: it has fired" },
  { shape: "error", means: "error: the cause stands below the probe; nothing is armed" },
  { shape: "gone", means: "gone: the process ended, or was not heard of for 15 s" },
];

export function Help() {
  const isOpen = useSelect((state) => state.isHelpOpen);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isOpen) {
      dialog.current?.showModal();
    } else {
      dialog.current?.close();
    }
  }, [isOpen]);
  const close = () => dispatch({ type: "help", isOpen: false });
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={close}>
      <h2 id="help-title">Keys</h2>
      <dl>
        {KEYS.map(({ keys, does }) => (
          <div>
            <dt>
              {keys.map((key) => (
                <kbd>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <h2>States of a probe</h2>
      <ul>
        {STATES.map(({ shape, means }) => (
          <li>
            <Glyph shape={shape} />
            {means}
          </li>
        ))}
      </ul>
      <p class="dim">
        The same from a terminal: <code>sonde probe add</code>, <code>sonde tail</code>,{" "}
        <code>sonde ps</code>.
      </p>
      <button type="button" class="primary" onClick={close}>
        Close
      </button>
    </dialog>
  );
}
