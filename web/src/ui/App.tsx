// SPDX-License-Identifier: Apache-2.0
import { useEffect } from "preact/hooks";
import { undoRemoval } from "../actions";
import { dispatch, useSelect } from "../store";
import { Detail } from "./Detail";
import { FileView } from "./FileView";
import { Header } from "./Header";
import { Help } from "./Help";
import { onKey } from "./keys";
import { Probes } from "./Probes";
import { Processes } from "./Processes";
import { Snapshots } from "./Snapshots";
import { TokenForm } from "./TokenForm";

const NOTICE_MS = 10_000;

function NoticeBar() {
  const notice = useSelect((state) => state.notice);
  useEffect(() => {
    const timer = setTimeout(() => dispatch({ type: "notice", notice: null }), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  const undo = notice?.undo ?? null;
  return (
    <div class="notice" role="status" hidden={notice === null}>
      <span>{notice?.text}</span>
      {undo !== null && (
        <button type="button" onClick={() => void undoRemoval(undo)}>
          Undo
        </button>
      )}
    </div>
  );
}

export function App() {
  const region = useSelect((state) => state.region);
  const isOpen = useSelect((state) => state.opened !== null);
  const hasFile = useSelect((state) => state.file !== null);
  const wantsToken = useSelect((state) => state.tokenWanted !== "no");
  useEffect(() => {
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  if (wantsToken) {
    return <TokenForm />;
  }
  return (
    <div class="page" data-region={region} data-open={isOpen || hasFile}>
      <Header />
      <main>
        <div class="side">
          <Probes />
          <Processes />
        </div>
        <Snapshots />
        {hasFile ? <FileView /> : isOpen && <Detail />}
      </main>
      <NoticeBar />
      <Help />
    </div>
  );
}
