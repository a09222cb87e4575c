"""`docs/volt_mx_mapping.md` has a row for each function of the Volt MX client, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncline.replica import Objects, Phase, Replica

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/volt_mx_mapping.md"
TEXT = PAGE.read_text()

APPLICATION = """
    init startSession stopSession reset rollbackPendingLocalChanges getPendingUpload getPendingAcknowledgement
    getDeferredUpload getAllPendingUploadInstances startReconciliation <scope>.reset getBinary createDownloadTask
    startDownload pauseDownload resumeDownload getBinaryDataFilePath deleteBinaryObject isUpgradeRequired performUpgrade
    executeSelectQuery cancelPendingChunkRequests getFailedBinaryRecords getStatusForBinary sync.log.*
"""
OBJECTS = """
    create createAll updateByPK update updateAll deleteByPK remove removeDeviceInstanceByPK removeDeviceInstance getAll
    getAllDetailsByPK find getAllCount getCount getXXX getXXXwithYYY getCountOfXXXwithYYY getPendingUpload
    getPendingAcknowledgement getDeferredUpload markForUpload markForUploadByPK rollbackPendingLocalChanges
    rollbackPendingLocalChangesByPK isRecordPendingForUpload isRecordDeferredForUpload
"""
GIVEN = """
    userid password appid serverhost serverport issecure passwordhashalgo sessiontasks doupload dodownload
    uploaderrorpolicy batchsize uploadbatchsize filterparams removeafterupload chunksize numberofretryattempts
    retryerrorcodes retrywaittime networktimeout invokeservicefunction enableIntermediateUpdates
    trackIntermediateUpdates
"""
TOLD = """
    onsyncstart onsyncsuccess onsyncerror onscopestart onscopesuccess onscopeerror onuploadstart onuploadbatchstart
    onuploadbatchsuccess onuploadsuccess ondownloadstart onbatchprocessingstart onbatchstored onbatchprocessingsuccess
    ondownloadsuccess onretry onupgraderequired onchunkstart onchunksuccess onchunkerror onreconciliation*
    uploadRequest downloadRequest clientcontext
"""
SECTIONS = {
    "The application": APPLICATION,
    "Objects": OBJECTS,
    "What startSession is given": GIVEN,
    "What startSession tells": TOLD,
}


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    text = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_name_has_its_row(section: str) -> None:
    named = [name for row in rows(section) for name in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(named) == sorted(SECTIONS[section].split())


@pytest.mark.parametrize("section", SECTIONS)
def test_each_row_says_what_and_names_tests_that_exist(section: str) -> None:
    for name, ours, different, tests in rows(section):
        assert ours, name
        named = re.findall(r"`(test_\w+)` in \[[^]]+\]\(([^)]+)\)", tests)
        assert named or "not offered" in ours or "not needed" in ours, f"{name} names no test"
        assert different or named, f"{name} says nothing"
        for test, path in named:
            assert f"def {test}(" in (PAGE.parent / path).read_text(), f"{path} has no {test}"


@pytest.mark.parametrize("section", ["The application", "Objects"])
def test_each_method_that_takes_a_place_is_there(section: str) -> None:
    target = Replica if section == "The application" else Objects
    for row in rows(section):
        for method in re.findall(r"`(?:Replica\.)?(\w+)\(", row[1].partition("not offered")[0]):
            assert callable(getattr(target, method)), f"{row[0]}: {target.__name__} has no {method}"


def test_the_table_has_all_methods_that_objects_have() -> None:
    methods = {name for name, value in vars(Objects).items() if callable(value) and not name.startswith("_")}
    text = " ".join(row[1] for row in rows("Objects"))
    assert {method for method in methods if f"`{method}(" not in text} == set()


def test_each_phase_that_is_named_is_there() -> None:
    named = {name for row in rows("What startSession tells") for name in re.findall(r"`([A-Z_]+)`", row[1])}
    assert named == {phase.name for phase in Phase}
