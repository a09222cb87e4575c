"""What waits to be sent: every change of every object type, scope by scope, and the counts alone.

`python -m examples.pending_instances` runs it; it starts a server of its own in a temporary folder and leaves nothing
behind.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from examples.demo import operate, running_server
from syncline.replica import PendingInstances, Replica

SCHEMA = """
scopes:
  scope1:
    scope1.tab1: {key: [id], fields: {id: string, name: string, size: integer}}
    scope1.tab2: {key: [id], fields: {id: string, name: string, size: integer}}
  scope2:
    scope2.tab1: {key: [id], fields: {id: string, name: string, size: integer}}
    scope2.tab2: {key: [id], fields: {id: string, name: string, size: integer}}
"""


def main() -> None:
    """Run the example."""
    with tempfile.TemporaryDirectory(prefix="syncline-example-") as name:
        folder = Path(name)
        database = f"sqlite:///{folder}/server.db"
        with running_server(database, folder) as target:
            (folder / "schema.yaml").write_text(SCHEMA)
            operate("schema", "apply", str(folder / "schema.yaml"), "--database", database)
            with Replica.open(folder / "device.db", target) as replica:
                share_some_records(replica)
                make_changes(replica)
                show(replica.get_all_pending_upload_instances())
                print("\ncounts only")
                show(replica.get_all_pending_upload_instances(retrieve_only_count=True))


def share_some_records(replica: Replica) -> None:
    """Sync for the first time, create two records in each table, and send them."""
    replica.sync()
    for table in ("scope1.tab1", "scope1.tab2", "scope2.tab1", "scope2.tab2"):
        replica.objects(table).create_all([{"id": "a", "name": "Anna"}, {"id": "b", "name": "Ben"}])
    replica.sync()


def make_changes(replica: Replica) -> None:
    """Ten changes: six in scope1, four in scope2. An update made twice is two instances."""
    tab1 = replica.objects("scope1.tab1")
    tab1.create({"id": "c", "name": "Cleo", "size": 1})
    tab1.update_by_pk("c", {"size": 2})
    tab1.update_by_pk("a", {"name": "Annabel"})
    tab1.delete_by_pk("b")
    tab2 = replica.objects("scope1.tab2")
    tab2.update_by_pk("a", {"size": 10})
    tab2.update_by_pk("a", {"size": 11})
    tab1 = replica.objects("scope2.tab1")
    tab1.create({"id": "d", "name": "Dora"})
    tab1.update_by_pk("b", {"name": "Benjamin"})
    tab2 = replica.objects("scope2.tab2")
    tab2.delete_by_pk("a")
    tab2.update_by_pk("b", {"name": None})


def show(pending: PendingInstances) -> None:
    """Print counts and, where they were asked for, the instances."""
    print(f"total: {pending.total_count}")
    for scope, in_scope in pending.scopes.items():
        print(f"{scope}: {in_scope.count}")
        for table, in_table in in_scope.objects.items():
            print(f"  {table}: {in_table.count}")
            for instance in in_table.data or ():
                print(f"    {instance.operation.value} {instance.key} {instance.data}")


if __name__ == "__main__":
    main()
