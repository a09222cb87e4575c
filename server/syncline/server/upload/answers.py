"""Storage's answers and conflicts as messages."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.data.changes import Operation, Verdict
from syncline.server.convert_schema import POLICY_VALUES
from syncline.server.convert_time import timestamp
from syncline.server.errors import AnswersTooLarge
from syncline.server.limits import ANSWERS_BYTES_MAX
from syncline.server.upload.judging import frame_data
from syncline.server.upload.refusals import refusal_status
from syncline.storage.upload_models import ChangeAnswer, Conflict
from syncline.v1 import upload_pb2

# The enums of the contract and of `syncline.data` have the same members; a test holds them to it.
_VERDICTS = {member: upload_pb2.Verdict.Value(f"VERDICT_{member.name}") for member in Verdict}
_OPERATIONS = {member: upload_pb2.Operation.Value(f"OPERATION_{member.name}") for member in Operation}


def upload_response(
    answers: Iterable[ChangeAnswer],
) -> tuple[upload_pb2.UploadResponse, AnswersTooLarge | None]:
    """The answers as the contract has them; as many as fit one message, and then why there are no more."""
    response = upload_pb2.UploadResponse()
    left = ANSWERS_BYTES_MAX
    for answer in answers:
        message = response.answers.add(
            change_seq=answer.change_seq, verdict=_VERDICTS[answer.verdict], revision=answer.revision
        )
        left -= _EACH_BYTES
        if answer.verdict is not Verdict.APPLIED or answer.conflict is not None:
            _add_details(message, answer)
            left -= message.ByteSize()
        if left < 0:
            del response.answers[-1]
            return response, AnswersTooLarge(ANSWERS_BYTES_MAX)
    return response, None


def conflict_message(conflict: Conflict) -> upload_pb2.Conflict:
    """An entry of the conflict log as the contract has it."""
    note = conflict.note
    return upload_pb2.Conflict(
        conflict_id=conflict.conflict_id,
        object_type=conflict.object_type,
        key=conflict.key,
        device_uuid=str(conflict.device_uuid),
        change_uuid=conflict.change_uuid,
        operation=_OPERATIONS[conflict.operation],
        policy=POLICY_VALUES[note.policy],
        verdict=_VERDICTS[conflict.verdict],
        fields=note.fields,
        device_data=note.device_data,
        server_data=note.server_data,
        result_data=note.result_data,
        revision=conflict.revision,
        decide_time=timestamp(conflict.decided_at),
    )


_EACH_BYTES = 40
"""What an answer without details takes in its message, at most."""


def _add_details(message: upload_pb2.ChangeAnswer, answer: ChangeAnswer) -> None:
    if answer.frame is not None:
        message.data = frame_data(answer.frame)
    elif answer.verdict in (Verdict.MERGED, Verdict.SERVER_WON):
        message.deleted = True
    if answer.refusal is not None:
        message.status.CopyFrom(refusal_status(answer.refusal))
    if answer.conflict is not None:
        message.conflict.CopyFrom(conflict_message(answer.conflict))
